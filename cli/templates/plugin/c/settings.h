/* Settings as plain as they can be: lines of `key = "text"`. */
#ifndef SETTINGS_H
#define SETTINGS_H

#include "chat_plugin.h"
#include <stdio.h>
#include <string.h>

static const uint8_t *settings_skip(const uint8_t *at, const uint8_t *end) {
    while (at < end && (*at == ' ' || *at == '\t' || *at == '\r'))
        at++;
    return at;
}

/* Reads the one setting there is into `value`, empty if it is not given. 0 if anything is wrong, with the reason in `why`. */
static int settings_read(chat_bytes config, const char *known, char *value, size_t room, char *why, size_t why_room) {
    const uint8_t *at = config.data, *end = config.len ? at + config.len : at;
    value[0] = 0;
    while (at < end) {
        const uint8_t *line_end = memchr(at, '\n', (size_t)(end - at));
        const uint8_t *next = line_end ? line_end + 1 : end;
        line_end = line_end ? line_end : end;
        at = settings_skip(at, line_end);
        if (at == line_end || *at == '#') {
            at = next;
            continue;
        }
        const uint8_t *key = at;
        while (at < line_end && *at != '=' && *at != ' ' && *at != '\t')
            at++;
        size_t key_len = (size_t)(at - key);
        at = settings_skip(at, line_end);
        if (at == line_end || *at != '=') {
            snprintf(why, why_room, "a line is no setting: write %s = \"text\"", known);
            return 0;
        }
        if (key_len != strlen(known) || memcmp(key, known, key_len) != 0) {
            snprintf(why, why_room, "unknown setting; there is %s", known);
            return 0;
        }
        at = settings_skip(at + 1, line_end);
        uint8_t quote = at < line_end ? *at : 0;
        const uint8_t *close = quote == '"' || quote == '\'' ? memchr(at + 1, quote, (size_t)(line_end - at - 1)) : 0;
        if (!close || settings_skip(close + 1, line_end) != line_end || (size_t)(close - at - 1) >= room) {
            snprintf(why, why_room, "%s: write a text in quotes, of at most %u bytes", known, (unsigned)room - 1);
            return 0;
        }
        memcpy(value, at + 1, (size_t)(close - at - 1));
        value[close - at - 1] = 0;
        at = next;
    }
    return 1;
}

#endif
