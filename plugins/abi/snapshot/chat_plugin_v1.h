/* The C edge between chatd and its plugins. The same text in Rust is src/lib.rs; a test keeps the two equal.
 *
 * Version 1. It only grows: later minor versions add fields at the ends of structs, numbers, and interfaces with names of their own; what
 * is here stays as it is. docs/plugin-abi.md is the reference. Rules that hold for every function:
 *
 *   memory    What is passed in is valid for the call only. Results go into the caller's sink. Nothing is freed by the other side.
 *   threads   [loop]   one thread at a time per connection; must not block
 *             [worker] several threads at a time; may block
 *             [turn]   one at a time, on some thread; may block, within its budget
 *             [any]    any thread, at any time
 *   errors    a chat_status. No exception, longjmp or panic may leave a function.
 *   growth    every struct begins with its size as its writer knows it. Later minor versions only add at the end.
 *
 * A plugin is a shared library that exports chat_entry_v1. It stays mapped until the process ends.
 */
#ifndef CHAT_PLUGIN_H
#define CHAT_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this file. */
#define CHAT_MAJOR 1
#define CHAT_MINOR 0

/* ---- Bytes and records ------------------------------------------------------------------------------------------------ */

/* Borrowed bytes. data may be null only when len is 0. */
typedef struct chat_bytes {
    const uint8_t *data;
    size_t len;
} chat_bytes;

/* A command or an event: a kind and byte strings, as Redis's argv. See docs/records.md. */
typedef struct chat_record {
    uint32_t kind; /* one of CHAT_KIND_ */
    uint32_t argc;
    const chat_bytes *argv;
} chat_record;

#define CHAT_KIND_COMMAND 0u /* argv[0] is its name */
#define CHAT_KIND_STATUS 1u  /* a short success */
#define CHAT_KIND_ERROR 2u   /* a refusal: code, text */
#define CHAT_KIND_INTEGER 3u /* a number */
#define CHAT_KIND_TEXT 4u    /* a text */
#define CHAT_KIND_ARRAY 5u   /* a list */
#define CHAT_KIND_MAP 6u     /* keys and values, alternating */
#define CHAT_KIND_NAMED 7u   /* a list that starts with its name */
#define CHAT_KIND_PUSH 8u    /* what nobody asked for: starts with its name */
#define CHAT_KIND_NULL 9u    /* nothing there */
#define CHAT_KIND_ROWS 10u   /* a table: width, then cells */

/* ---- What functions say ----------------------------------------------------------------------------------------------- */

typedef int32_t chat_status;

#define CHAT_OK 0       /* done; or, from a sink: go on */
#define CHAT_STOP 1     /* from a sink: enough for this turn. Return with what was used so far; the next turn goes on from
                           there, at once. A codec that is in the middle of a line which means several records either
                           finishes them first, or remembers where it is */
#define CHAT_BROKEN 2   /* the peer's bytes can't be trusted any more: send what was put on the wire, then close */
#define CHAT_DENY 3     /* an authenticator knows the name and says no */
#define CHAT_DECLINE 4  /* an authenticator has no opinion; the next one is asked */
#define CHAT_PENDING 5  /* the answer comes later, through the host */
#define CHAT_INTERNAL 6 /* the plugin failed */

/* ---- Sinks: where results go ------------------------------------------------------------------------------------------ */

/* Takes bytes, in any number of calls. */
typedef struct chat_bytes_sink {
    void *ctx; /* passed back with every call */
    chat_status (*bytes)(void *ctx, chat_bytes bytes);
} chat_bytes_sink;

/* Takes what a decoder finds. */
typedef struct chat_decode_sink {
    void *ctx;                                                  /* passed back with every call */
    chat_status (*record)(void *ctx, const chat_record *record); /* a whole record */
    chat_status (*wire)(void *ctx, chat_bytes bytes);            /* bytes for the peer, in order with the replies */
} chat_decode_sink;

/* ---- What chatd offers ------------------------------------------------------------------------------------------------ */

/* Stays where it is for the whole run. */
typedef struct chat_host chat_host;
struct chat_host {
    uint32_t size;
    void *ctx; /* chatd's own */
    /* [any] An interface of chatd by name and revision, or null. */
    const void *(*interface)(const chat_host *host, const char *id);
};

#define CHAT_ID_LOG "chat.log/1"
typedef struct chat_log {
    uint32_t size;
    /* [any] Writes to chatd's log under the plugin's name. level: 1 error, 2 warn, 3 info, 4 debug. */
    void (*log)(const chat_host *host, uint32_t level, chat_bytes text);
} chat_log;

#define CHAT_ID_AUTH_HOST "chat.auth-host/1"
typedef struct chat_auth_host {
    uint32_t size;
    /* [any] Answers a CHAT_PENDING check, once; later answers are ignored. who is what check would have put into its sink.
     * CHAT_DECLINE is a refusal here, since nobody is asked after a late answer. */
    void (*complete)(const chat_host *host, uint64_t ticket, chat_status status, chat_bytes who);
} chat_auth_host;

#define CHAT_ID_FILTER_HOST "chat.filter-host/1"
typedef struct chat_filter_host {
    uint32_t size;
    /* [any] Says a notice in a group, as a bot of this nick. No filter sees it. CHAT_OK: it is on its way; CHAT_DENY: the nick or the
     * group is none, the text is empty or too long, or too much is waiting. */
    chat_status (*say)(const chat_host *host, chat_bytes bot, chat_bytes group, chat_bytes text);
} chat_filter_host;

#define CHAT_ID_METRICS "chat.metrics/1"
#define CHAT_METRIC_COUNTER 0u /* only grows */
#define CHAT_METRIC_GAUGE 1u   /* goes up and down */
typedef struct chat_metrics {
    uint32_t size;
    /* [any] A metric of the plugin by its name (lower case, digits and _, at most 64 bytes) and what it counts. The same name is the same
     * metric. 0: none, since the name is no good, has another kind, or there are too many. */
    uint32_t (*metric)(const chat_host *host, uint32_t kind, chat_bytes name, chat_bytes help);
    /* [any] Adds to a counter. */
    void (*add)(const chat_host *host, uint32_t metric, uint64_t count);
    /* [any] Sets a gauge. */
    void (*set)(const chat_host *host, uint32_t metric, int64_t value);
} chat_metrics;

#define CHAT_ID_CLOCK "chat.clock/1"
typedef struct chat_clock {
    uint32_t size;
    /* [any] Milliseconds since the Unix epoch. */
    uint64_t (*wall_ms)(const chat_host *host);
    /* [any] Milliseconds since some moment; never runs back. */
    uint64_t (*steady_ms)(const chat_host *host);
} chat_clock;

#define CHAT_ID_TIMERS "chat.timers/1"
typedef struct chat_timers {
    uint32_t size;
    /* [any] After so many milliseconds chat.timed/1 of the plugin is called, once, with this number; what was set under it before is
     * not any more. CHAT_DENY: the plugin has no chat.timed/1, or too many timers. */
    chat_status (*set)(const chat_host *host, uint64_t timer, uint64_t ms);
    /* [any] It is not called for this one, if it is not being called already. */
    void (*cancel)(const chat_host *host, uint64_t timer);
} chat_timers;

/* ---- What a plugin is ------------------------------------------------------------------------------------------------- */

typedef struct chat_entry {
    uint32_t size;
    uint16_t major;      /* CHAT_MAJOR */
    uint16_t minor;      /* CHAT_MINOR */
    const char *name;    /* for the whole run, UTF-8 */
    const char *version; /* for the whole run, UTF-8 */
    /* [any] Called once. config is the plugin's own table as TOML text. On failure says why; then stop is not called. */
    chat_status (*start)(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why);
    /* [any] Called once, after everything it opened is closed and no call is under way. */
    void (*stop)(void *plugin);
    /* [any] An interface of the plugin by name and revision, or null. Lives as long as the plugin. */
    const void *(*interface)(void *plugin, const char *id);
} chat_entry;

/* The one symbol a plugin exports. */
const chat_entry *chat_entry_v1(void);

/* A codec. It never sees a socket. */
#define CHAT_ID_TRANSPORT "chat.transport/1"
#define CHAT_ROLE_SERVER 0u /* the connection was accepted: its peer sends commands */
#define CHAT_ROLE_CLIENT 1u /* the connection was dialled: its peer sends replies and pushes */
typedef struct chat_transport {
    uint32_t size;
    /* [loop] State for one connection; not null. */
    chat_status (*open)(void *plugin, uint32_t role, void **conn);
    /* [loop] Frees it. */
    void (*close)(void *plugin, void *conn);
    /* [loop] Takes whole records off the front of input; used says how many bytes. The rest is offered again with more behind. */
    chat_status (*decode)(void *plugin, void *conn, chat_bytes input, size_t *used, chat_decode_sink out);
    /* [loop] Connections of one class get the same bytes for the same push. Asked again after every decode and encode_private. */
    uint32_t (*class_of)(void *plugin, const void *conn);
    /* [any] Bytes of a push for a class. Pure: depends on class and record alone. Nothing is a valid encoding. */
    chat_status (*encode)(void *plugin, uint32_t class_number, const chat_record *record, chat_bytes_sink out);
    /* [loop] Bytes of an event for this one connection; may change its state. */
    chat_status (*encode_private)(void *plugin, void *conn, const chat_record *record, chat_bytes_sink out);
} chat_transport;

/* An authenticator. */
#define CHAT_ID_AUTH "chat.auth/1"
typedef struct chat_auth {
    uint32_t size;
    /* [worker] ask->argv: mechanism ("password" or "none"), name, secret, peer address, listener name, then what the directory
     * keeps of that account: "secret" and what its password is checked with, "nothing" or "unknown" and nothing. May block.
     * CHAT_OK and one bytes of the account's name (empty or none: a guest), CHAT_DENY and a reason, CHAT_DECLINE, CHAT_PENDING. */
    chat_status (*check)(void *plugin, uint64_t ticket, const chat_record *ask, chat_bytes_sink who);
    /* [any] Nobody waits for this ticket any more: a hint. */
    void (*cancel)(void *plugin, uint64_t ticket);
} chat_auth;

/* A filter: sees what people want to do, before it is done. */
#define CHAT_ID_FILTER "chat.filter/1"
typedef struct chat_filter {
    uint32_t size;
    /* [turn] what->argv: "message", "notice", "join" or "topic", group (or the nick a message is for), text (empty for a join), nick, user,
     * host and account (empty for a guest) of whoever wants it, listener name. In the order in which it is wanted.
     * CHAT_OK and no bytes: as it is. CHAT_OK and bytes: with this text instead, of a message or topic. CHAT_DENY and a reason: not at all.
     * Whoever takes longer than the budget of chatd's configuration is not waited for; a plugin that does so too often is disabled. */
    chat_status (*judge)(void *plugin, const chat_record *what, chat_bytes_sink out);
} chat_filter;

/* A plugin that sets timers. */
#define CHAT_ID_TIMED "chat.timed/1"
typedef struct chat_timed {
    uint32_t size;
    /* [turn] This timer's time has come. */
    void (*fire)(void *plugin, uint64_t timer);
} chat_timed;

#ifdef __cplusplus
}
#endif

#endif
