/* What tests need: a place where results go, and a count of what is wrong. */
#ifndef TEST_SUPPORT_H
#define TEST_SUPPORT_H

static char got[4096];
static size_t got_len;
static int wrong;

static chat_status gather(void *ctx, chat_bytes bytes) {
    (void)ctx;
    if (bytes.len > 0 && got_len + bytes.len < sizeof got) {
        memcpy(got + got_len, bytes.data, bytes.len);
        got_len += bytes.len;
    }
    got[got_len] = 0;
    return CHAT_OK;
}

static const chat_bytes_sink sink = { 0, gather };

static void check(const char *what, int holds) {
    if (holds)
        return;
    printf("%s, and there is: %s\n", what, got);
    wrong = 1;
}

/* That what was gathered is this; then it is forgotten. */
static void expect(const char *what) {
    char line[256];
    snprintf(line, sizeof line, "expected: %s", what);
    check(line, strcmp(got, what) == 0);
    got[got_len = 0] = 0;
}

/* Starts the plugin, or not. */
static chat_status begin(const char *config, void **self) {
    return chat_entry_v1()->start(0, text(config), self, sink);
}

#endif
