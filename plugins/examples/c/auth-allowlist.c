/* The authenticator `allowlist`, an example of one in C: a list of names that share one word, and a list of addresses that need none.
 *
 *     plugins = ["auth-allowlist.so"]
 *
 *     [plugin.allowlist]
 *     word = "open sesame"                # what everyone on the list knows
 *     names = ["joe", "ann"]              # whoever shows the word and one of these names is that account
 *     addresses = ["127.0.0.1", "10.1."]  # whoever comes from here is let in as a guest; one that ends with . or : begins others
 *
 * Of TOML it understands what is above: comments, empty lines, and KEY = a string or a list of strings on one line, where a string is
 * in " or ' and has no backslash. Anything else is refused, with the line it is in.
 *
 * An authenticator has one function to answer with, `check`. It runs on worker threads, several at a time, so it may take its time, but
 * has to do without shared state that changes. Here nothing changes after the start.
 */
#include "chat_plugin.h"

#include <stdlib.h>
#include <string.h>

#define LIST_MAX 64

typedef struct {
    chat_bytes items[LIST_MAX];
    size_t count;
} list;

/* The plugin's state. All strings are parts of `text`, a copy of the configuration: what is passed in is valid for the call only. */
typedef struct {
    char *text;
    chat_bytes word;
    list names, addresses;
} allowlist;

static chat_bytes bytes_of(const char *text) {
    chat_bytes bytes;
    bytes.data = (const uint8_t *)text;
    bytes.len = strlen(text);
    return bytes;
}

static int is(chat_bytes bytes, const char *text) {
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

/* ---- The configuration ------------------------------------------------------------------------------------------------ */

static const char *skip_blanks(const char *at) {
    while (*at == ' ' || *at == '\t' || *at == '\r')
        at++;
    return at;
}

/* Whether nothing but a comment follows. */
static int is_end(const char *at) {
    at = skip_blanks(at);
    return *at == '\0' || *at == '#';
}

/* Takes a string off the front and returns what follows it, or null where there is none. */
static const char *take_string(const char *at, chat_bytes *string) {
    const char *begin = at + 1, *end;
    if (*at != '"' && *at != '\'')
        return NULL;
    end = strchr(begin, *at);
    if (end == NULL || memchr(begin, '\\', (size_t)(end - begin)) != NULL)
        return NULL;
    string->data = (const uint8_t *)begin;
    string->len = (size_t)(end - begin);
    return end + 1;
}

static const char *take_list(const char *at, list *list) {
    if (*at != '[')
        return NULL;
    at = skip_blanks(at + 1);
    while (*at != ']') {
        if (list->count == LIST_MAX || (at = take_string(at, &list->items[list->count])) == NULL)
            return NULL;
        list->count++;
        at = skip_blanks(at);
        if (*at == ',')
            at = skip_blanks(at + 1);
        else if (*at != ']')
            return NULL;
    }
    return at + 1;
}

/* Takes one line, which ends with a zero. Returns whether it was understood. */
static int take_line(allowlist *self, const char *line) {
    const char *at = skip_blanks(line);
    size_t key_len = strcspn(at, " \t=");
    chat_bytes key;
    if (is_end(at))
        return 1;
    key.data = (const uint8_t *)at;
    key.len = key_len;
    at = skip_blanks(at + key_len);
    if (*at != '=')
        return 0;
    at = skip_blanks(at + 1);
    if (is(key, "word"))
        at = take_string(at, &self->word);
    else if (is(key, "names"))
        at = take_list(at, &self->names);
    else if (is(key, "addresses"))
        at = take_list(at, &self->addresses);
    else
        return 0;
    return at != NULL && is_end(at);
}

static void forget(allowlist *self) {
    if (self != NULL)
        free(self->text);
    free(self);
}

/* Why the plugin does not start, in as many pieces as is convenient: chatd shows it to the operator. */
static chat_status refuse(allowlist *self, chat_bytes_sink why, const char *what, const char *line) {
    why.bytes(why.ctx, bytes_of(what));
    why.bytes(why.ctx, bytes_of(line));
    forget(self);
    return CHAT_INTERNAL;
}

static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    const chat_log *log = host->interface(host, CHAT_ID_LOG);
    allowlist *self = calloc(1, sizeof *self);
    char *line, *next;
    if (self == NULL || (self->text = malloc(config.len + 1)) == NULL)
        return refuse(self, why, "there is no memory", "");
    /* data may be null where len is 0, and memcpy must not see it. */
    if (config.len > 0)
        memcpy(self->text, config.data, config.len);
    self->text[config.len] = '\0';
    for (line = self->text; line != NULL; line = next) {
        next = strchr(line, '\n');
        if (next != NULL)
            *next++ = '\0';
        if (!take_line(self, line))
            return refuse(self, why, "expected word = \"...\", names = [\"...\"] or addresses = [\"...\"], found: ", line);
    }
    if (self->names.count > 0 && self->word.len == 0)
        return refuse(self, why, "names need a word", "");
    /* An interface that a chatd does not have is null. */
    if (log != NULL && self->names.count + self->addresses.count == 0)
        log->log(host, 2, bytes_of("nobody is on the list"));
    *plugin = self;
    return CHAT_OK;
}

static void stop(void *plugin) {
    forget(plugin);
}

/* ---- The question ----------------------------------------------------------------------------------------------------- */

static int lower(uint8_t byte) {
    return byte >= 'A' && byte <= 'Z' ? byte - 'A' + 'a' : byte;
}

/* Names are the same whatever the case of their ASCII letters, as nicks are. */
static int is_same_name(chat_bytes one, chat_bytes other) {
    size_t ix = 0;
    if (one.len != other.len)
        return 0;
    while (ix < one.len && lower(one.data[ix]) == lower(other.data[ix]))
        ix++;
    return ix == one.len;
}

/* How long this takes tells nothing of where a guess goes wrong. */
static int is_same_secret(chat_bytes one, chat_bytes other) {
    unsigned differs = one.len != other.len;
    size_t ix;
    for (ix = 0; ix < one.len && ix < other.len; ix++)
        differs |= one.data[ix] ^ other.data[ix];
    return differs == 0;
}

static int is_address(chat_bytes listed, chat_bytes address) {
    uint8_t last = listed.len > 0 ? listed.data[listed.len - 1] : 0;
    int is_prefix = last == '.' || last == ':';
    if (listed.len == 0 || listed.len > address.len || (!is_prefix && listed.len != address.len))
        return 0;
    return memcmp(listed.data, address.data, listed.len) == 0;
}

/* CHAT_DECLINE leaves it to the next authenticator of the listener; CHAT_DENY does not. So a list of names says no to who is on it and
 * does not know the word, and nothing about anyone else. */
static chat_status check(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who) {
    const allowlist *self = plugin;
    size_t ix;
    (void)ticket; /* Only for who answers later, with CHAT_PENDING. */
    /* mechanism, name, secret, address; later versions may add more behind. */
    if (ask->argc < 4)
        return CHAT_DECLINE;
    for (ix = 0; is(ask->argv[0], "password") && ix < self->names.count; ix++) {
        if (!is_same_name(self->names.items[ix], ask->argv[1]))
            continue;
        if (!is_same_secret(self->word, ask->argv[2])) {
            who.bytes(who.ctx, bytes_of("that is not the word"));
            return CHAT_DENY;
        }
        who.bytes(who.ctx, self->names.items[ix]);
        return CHAT_OK;
    }
    for (ix = 0; is(ask->argv[0], "none") && ix < self->addresses.count; ix++) {
        if (is_address(self->addresses.items[ix], ask->argv[3]))
            return CHAT_OK; /* And no name: a guest. */
    }
    return CHAT_DECLINE;
}

static void cancel(void *plugin, uint64_t ticket) {
    (void)plugin;
    (void)ticket;
}

/* ---- What the library exports ----------------------------------------------------------------------------------------- */

/* Each table says how long its writer knows it to be: a chatd with a longer one takes the rest for absent. */
static const chat_auth auth = {sizeof auth, check, cancel};

static const void *interface(void *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, CHAT_ID_AUTH) == 0 ? &auth : NULL;
}

static const chat_entry entry = {sizeof entry, CHAT_MAJOR, CHAT_MINOR, "allowlist", "1.0", start, stop, interface};

const chat_entry *chat_entry_v1(void) {
    return &entry;
}
