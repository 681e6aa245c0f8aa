/* The transport `line`, an example of one in C: chat for telnet and netcat.
 *
 *     plugins = ["transport-line.so"]
 *
 *     [[listener]]
 *     transport = "line"
 *     address = "127.0.0.1:6023"
 *
 *     $ nc 127.0.0.1 6023
 *     NICK joe
 *     * you are joe
 *     * ok
 *     JOIN #erlang
 *     #erlang joe has joined
 *     * you are in #erlang
 *     * in #erlang: @ann joe
 *     hello                      (a plain line goes to the group that was joined last)
 *     #erlang <ann> hi joe
 *
 * A transport is a codec and never sees a socket. `decode` makes records of the bytes that came (docs/records.md says which there are),
 * `encode` makes bytes of the records that people are told. Everything here runs on the loop's thread, so nothing may block.
 *
 * The three promises of a codec, each kept below where it says so:
 *   1. the same bytes give the same records, however they were cut on their way;
 *   2. nothing grows with what a peer sends;
 *   3. `encode` goes by class and record alone, so that its bytes can be sent to everyone of the class.
 */
#include "chat_plugin.h"

#include <stdlib.h>
#include <string.h>

#define LINE_MAX_BYTES 4096
#define GROUP_MAX_BYTES 64

/* One connection. */
typedef struct {
    int is_known;    /* it has said something that is no HTTP */
    int is_skipping; /* what comes is the rest of a line that was too long */
    size_t group_len;
    uint8_t group[GROUP_MAX_BYTES]; /* where plain lines go */
} line_conn;

/* ---- Bytes ------------------------------------------------------------------------------------------------------------ */

static chat_bytes bytes_of(const char *text) {
    chat_bytes bytes;
    bytes.data = (const uint8_t *)text;
    bytes.len = strlen(text);
    return bytes;
}

static chat_bytes part_of(chat_bytes bytes, size_t from, size_t to) {
    chat_bytes part;
    part.data = bytes.data + from;
    part.len = to - from;
    return part;
}

static int is(chat_bytes bytes, const char *text) {
    return bytes.len == strlen(text) && memcmp(bytes.data, text, bytes.len) == 0;
}

static int begins_with(chat_bytes bytes, const char *text) {
    return bytes.len >= strlen(text) && memcmp(bytes.data, text, strlen(text)) == 0;
}

/* Takes the first word off a line, and the blanks behind it. */
static chat_bytes take_word(chat_bytes *line) {
    size_t end = 0, next;
    chat_bytes word;
    while (end < line->len && line->data[end] != ' ')
        end++;
    word = part_of(*line, 0, end);
    for (next = end; next < line->len && line->data[next] == ' ';)
        next++;
    *line = part_of(*line, next, line->len);
    return word;
}

/* An argument of a record; empty where it is absent, so nothing below has to count. */
static chat_bytes arg(const chat_record *record, uint32_t ix) {
    return ix < record->argc ? record->argv[ix] : bytes_of("");
}

/* ---- In: lines become records ----------------------------------------------------------------------------------------- */

/* A command and up to five arguments, which stay where they are in the input: a record borrows. */
static chat_status tell(chat_decode_sink out, const char *name, chat_bytes *words, uint32_t count) {
    chat_bytes argv[6];
    chat_record record;
    uint32_t ix;
    argv[0] = bytes_of(name);
    for (ix = 0; ix < count; ix++)
        argv[ix + 1] = words[ix];
    record.kind = CHAT_KIND_COMMAND;
    record.argc = count + 1;
    record.argv = argv;
    return out.record(out.ctx, &record);
}

/* SAY is answered only if it is refused, and with 0 its sender does not hear it: a terminal has shown the line already. */
static chat_status say(chat_decode_sink out, chat_bytes target, chat_bytes text) {
    chat_bytes words[4];
    words[0] = bytes_of("msg");
    words[1] = target;
    words[2] = bytes_of("0");
    words[3] = text;
    return tell(out, "SAY", words, 4);
}

static chat_status complain(chat_decode_sink out, const char *what) {
    return out.wire(out.ctx, bytes_of(what));
}

/* Remembers where plain lines go. A name that does not fit is none, and the node will say so. */
static void remember(line_conn *conn, chat_bytes group) {
    conn->group_len = group.len <= GROUP_MAX_BYTES ? group.len : 0;
    memcpy(conn->group, group.data, conn->group_len);
}

/* One line makes one record, or one complaint, or nothing. */
static chat_status take_line(line_conn *conn, chat_bytes line, chat_decode_sink out) {
    chat_bytes rest = line, words[2], group;
    chat_bytes command = take_word(&rest);
    group.data = conn->group;
    group.len = conn->group_len;
    if (line.len == 0)
        return CHAT_OK;
    if (is(command, "HELP"))
        return complain(out, "* NICK name, PASS account password, JOIN #group [key], PART #group, SAY #group-or-nick text, WHO #group, "
                             "QUIT; other lines go to the group joined last\r\n");
    if (is(command, "QUIT"))
        return tell(out, "QUIT", &rest, rest.len > 0);
    words[0] = take_word(&rest);
    words[1] = rest;
    if (is(command, "NICK"))
        return tell(out, "NICK", words, 1);
    if (is(command, "WHO"))
        return tell(out, "NAMES", words, 1);
    if (is(command, "PASS"))
        return tell(out, "AUTH", words, 2);
    if (is(command, "SAY"))
        return say(out, words[0], words[1]);
    if (is(command, "JOIN")) {
        remember(conn, words[0]);
        return tell(out, "ENTER", words, words[1].len > 0 ? 2 : 1);
    }
    if (is(command, "PART")) {
        if (words[0].len == conn->group_len && memcmp(words[0].data, conn->group, conn->group_len) == 0)
            conn->group_len = 0;
        return tell(out, "PART", words, words[1].len > 0 ? 2 : 1);
    }
    if (group.len == 0)
        return complain(out, "! JOIN a #group first, or ask for HELP\r\n");
    return say(out, group, line);
}

/* Any web page can have a browser send lines to a port. Its first one gives it away. */
static int is_http(chat_bytes line) {
    static const char *const methods[] = {"GET ", "POST ", "PUT ", "HEAD ", "DELETE ", "OPTIONS ", "PATCH ", "CONNECT ", "TRACE "};
    size_t ix;
    for (ix = 0; ix < sizeof methods / sizeof *methods; ix++) {
        if (begins_with(line, methods[ix]))
            return 1;
    }
    return 0;
}

static chat_status line_decode(void *plugin, void *conn_ptr, chat_bytes input, size_t *used, chat_decode_sink out) {
    line_conn *conn = conn_ptr;
    (void)plugin;
    *used = 0;
    while (*used < input.len) {
        chat_bytes rest = part_of(input, *used, input.len);
        const uint8_t *newline = memchr(rest.data, '\n', rest.len);
        size_t len = newline != NULL ? (size_t)(newline - rest.data) : rest.len;
        int is_too_long = len > LINE_MAX_BYTES, was_skipping = conn->is_skipping;
        chat_bytes line = part_of(rest, 0, len);
        chat_status flow = CHAT_OK;
        /* Promise 1: half a line is left with chatd, which offers it again with more behind it. Promise 2: but not for ever. */
        if (newline == NULL && !is_too_long && !was_skipping)
            return CHAT_OK;
        *used += newline != NULL ? len + 1 : len;
        conn->is_skipping = newline == NULL;
        if (was_skipping)
            continue;
        if (!conn->is_known && is_http(line))
            return CHAT_BROKEN;
        conn->is_known = 1;
        if (line.len > 0 && line.data[line.len - 1] == '\r')
            line.len--;
        flow = is_too_long ? complain(out, "! that line is too long\r\n") : take_line(conn, line, out);
        /* Enough for this turn: others are waiting. The rest is offered again at once. */
        if (flow != CHAT_OK)
            return CHAT_OK;
    }
    return CHAT_OK;
}

/* ---- Out: records become lines ---------------------------------------------------------------------------------------- */

/* Writes a text of our own. A sink takes any number of pieces. */
static void put(chat_bytes_sink out, const char *text) {
    out.bytes(out.ctx, bytes_of(text));
}

/* Writes what people said. Whatever could end the line or steer a terminal becomes a blank, or anyone could write lines in the name of
 * others. Runs of what is harmless go out in one piece. */
static void put_text(chat_bytes_sink out, chat_bytes text) {
    size_t from = 0, ix;
    for (ix = 0; ix < text.len; ix++) {
        uint8_t byte = text.data[ix];
        /* Control characters, and those that UTF-8 writes as 0xc2 0x80 to 0xc2 0x9f. */
        int is_c1 = byte == 0xc2 && ix + 1 < text.len && text.data[ix + 1] < 0xa0;
        if (byte >= ' ' && byte != 0x7f && !is_c1)
            continue;
        out.bytes(out.ctx, part_of(text, from, ix));
        put(out, " ");
        ix += is_c1 ? 1 : 0;
        from = ix + 1;
    }
    out.bytes(out.ctx, part_of(text, from, text.len));
}

/* Before, a text, and what is between it and the next one. */
static void put_part(chat_bytes_sink out, const char *before, chat_bytes text) {
    put(out, before);
    put_text(out, text);
}

static void put_reason(chat_bytes_sink out, chat_bytes reason) {
    if (reason.len > 0) {
        put_part(out, " (", reason);
        put(out, ")");
    }
    put(out, "\r\n");
}

/* What happens in a group. Before its own arguments every entry has: word group seq term id time nick user host account real. */
static void put_entry(chat_bytes_sink out, const chat_record *record) {
    chat_bytes word = arg(record, 0), group = arg(record, 1), nick = arg(record, 6), first = arg(record, 11), second = arg(record, 12);
    int is_direct = begins_with(group, "@"), is_notice = is(first, "notice");
    uint32_t ix;
    if (record->argc < 11)
        return;
    if (is(word, "message")) {
        if (!is_direct)
            put_part(out, "", group);
        else
            put(out, "to you");
        put_part(out, is_notice ? " -" : " <", nick);
        put_part(out, is_notice ? "- " : "> ", second);
        put(out, "\r\n");
    } else if (is(word, "join")) {
        put_part(out, "", group);
        put_part(out, " ", nick);
        put(out, " has joined\r\n");
    } else if (is(word, "part")) {
        put_part(out, "", group);
        put_part(out, " ", nick);
        put(out, " has left");
        put_reason(out, first);
    } else if (is(word, "kick")) {
        put_part(out, "", group);
        put_part(out, " ", nick);
        put_part(out, " removed ", first);
        put_reason(out, second);
    } else if (is(word, "nick")) {
        put_part(out, "", group);
        put_part(out, " ", nick);
        put_part(out, " is now ", first);
        put(out, "\r\n");
    } else if (is(word, "topic")) {
        put_part(out, "", group);
        put_part(out, " ", nick);
        put_part(out, first.len > 0 ? " set the topic: " : " cleared the topic", first);
        put(out, "\r\n");
    } else if (is(word, "mode")) {
        put_part(out, "", group);
        put_part(out, " ", nick);
        put(out, " sets");
        for (ix = 11; ix < record->argc; ix++)
            put_part(out, " ", arg(record, ix));
        put(out, "\r\n");
    }
}

/* `names`: a group, whether that was all, then ranks and nick in turns. */
static void put_names(chat_bytes_sink out, const chat_record *record) {
    uint32_t ix;
    put_part(out, "* in ", arg(record, 1));
    put(out, ":");
    for (ix = 3; ix + 1 < record->argc; ix += 2) {
        chat_bytes ranks = arg(record, ix);
        int is_voice = is(ranks, "v");
        put_part(out, ranks.len == 0 ? " " : is_voice ? " +" : " @", arg(record, ix + 1));
    }
    put(out, "\r\n");
}

/* One word and one argument are enough for most of what only one person is told. */
static const struct {
    const char *word, *before;
    uint32_t ix;
    const char *after;
} TOLD[] = {
    {"nick-is", "* you are ", 4, ""},
    {"invited", "* you are invited to ", 1, ""},
    {"gap", "* something that was said is missing here: ", 1, ""},
    {"away-is", "* is away: ", 1, ""},
    {"closing", "* good-bye: ", 1, ""},
    {"entered", "* you are in ", 1, ""},
    {"ok", "* ok", 99, ""},
    {"error", "! ", 2, ""},
};

/* What has no line here is nothing, which is a valid encoding: records of later versions must not be refused. */
static void put_event(chat_bytes_sink out, const chat_record *record) {
    size_t ix;
    if (is(arg(record, 0), "names")) {
        put_names(out, record);
        return;
    }
    for (ix = 0; ix < sizeof TOLD / sizeof *TOLD; ix++) {
        if (is(arg(record, 0), TOLD[ix].word)) {
            put_part(out, TOLD[ix].before, arg(record, TOLD[ix].ix));
            put(out, "\r\n");
            return;
        }
    }
    put_entry(out, record);
}

/* Promise 3: there is one class, and nothing of a connection in here. */
static chat_status line_encode(void *plugin, uint32_t class_number, const chat_record *record, chat_bytes_sink out) {
    (void)plugin;
    (void)class_number;
    put_event(out, record);
    return CHAT_OK;
}

static chat_status line_encode_private(void *plugin, void *conn, const chat_record *record, chat_bytes_sink out) {
    (void)conn;
    return line_encode(plugin, 0, record, out);
}

/* ---- Connections, and what the library exports ------------------------------------------------------------------------ */

static chat_status line_open(void *plugin, uint32_t role, void **conn) {
    (void)plugin;
    /* Nothing in chatd dials out in this protocol. */
    if (role != CHAT_ROLE_SERVER || (*conn = calloc(1, sizeof(line_conn))) == NULL)
        return CHAT_INTERNAL;
    return CHAT_OK;
}

static void line_close(void *plugin, void *conn) {
    (void)plugin;
    free(conn);
}

static uint32_t line_class_of(void *plugin, const void *conn) {
    (void)plugin;
    (void)conn;
    return 0;
}

/* There is nothing to set, so anything but a comment is a mistake worth telling. */
static chat_status start(const chat_host *host, chat_bytes config, void **plugin, chat_bytes_sink why) {
    size_t ix;
    int is_comment = 0;
    (void)host;
    for (ix = 0; ix < config.len; ix++) {
        uint8_t byte = config.data[ix];
        is_comment = byte != '\n' && (is_comment || byte == '#');
        if (!is_comment && byte != ' ' && byte != '\t' && byte != '\r' && byte != '\n') {
            why.bytes(why.ctx, bytes_of("it has no settings"));
            return CHAT_INTERNAL;
        }
    }
    *plugin = NULL;
    return CHAT_OK;
}

static void stop(void *plugin) {
    (void)plugin;
}

static const chat_transport transport = {
    sizeof transport, line_open, line_close, line_decode, line_class_of, line_encode, line_encode_private,
};

static const void *interface(void *plugin, const char *id) {
    (void)plugin;
    return strcmp(id, CHAT_ID_TRANSPORT) == 0 ? &transport : NULL;
}

static const chat_entry entry = {sizeof entry, CHAT_MAJOR, CHAT_MINOR, "line", "1.0", start, stop, interface};

const chat_entry *chat_entry_v1(void) {
    return &entry;
}
