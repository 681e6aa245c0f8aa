/* What the codec makes of bytes and events. */
#include "plugin.c"
#include "test_support.h"

static chat_status gather_record(void *ctx, const chat_record *record) {
    for (uint32_t ix = 0; ix < record->argc; ix++) {
        gather(ctx, text("<"));
        gather(ctx, record->argv[ix]);
        gather(ctx, text(">"));
    }
    return CHAT_OK;
}

int main(void) {
    const chat_decode_sink found = { 0, gather_record, gather };
    void *self = 0, *conn = 0;
    size_t used = 0;
    check("it does not start", begin("prefix = '> '", &self) == CHAT_OK);
    check("it does not open", transport.open(self, CHAT_ROLE_SERVER, &conn) == CHAT_OK);

    chat_status status = transport.decode(self, conn, text("NICK joe\r\n\nMSG #g :hello, world\nENT"), &used, found);
    check("lines are not taken", status == CHAT_OK && used == 32);
    expect("<NICK><joe><MSG><#g><hello, world>");

    chat_bytes said[] = { text("message"), text("#g"), text("1"), text("2"), text("s.1"), text("1700000000123"), text("joe"),
                          text("joe"), text("host"), text(""), text("Joe"), text("msg"), text("two\nlines") };
    chat_record message = { CHAT_KIND_PUSH, 13, said };
    transport.encode(self, 0, &message, sink);
    expect("> [#g] <joe> two lines\n");
    chat_bytes refused[] = { text("error"), text("NOGROUP"), text("no such group") };
    chat_record error = { CHAT_KIND_ERROR, 3, refused };
    transport.encode_private(self, conn, &error, sink);
    expect("> ! NOGROUP no such group\n");

    transport.close(self, conn);
    plugin_stop(self);
    check("it starts with anything", begin("perfix = '> '", &self) != CHAT_OK);
    expect("unknown setting; there is prefix");
    return wrong;
}
