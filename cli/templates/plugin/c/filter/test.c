/* What becomes of what people say. */
#include "plugin.c"
#include "test_support.h"

static chat_status ask(void *self, const char *what, const char *said) {
    chat_bytes argv[] = { text(what), text("#g"), text(said), text("joe"), text("joe"), text("192.0.2.7"), text(""), text("irc") };
    chat_record record = { CHAT_KIND_COMMAND, 8, argv };
    return filter.judge(self, &record, sink);
}

int main(void) {
    void *self = 0;
    check("it does not start", begin("word = 'darn'", &self) == CHAT_OK);
    check("a message is refused", ask(self, "message", "hello") == CHAT_OK);
    expect("");
    check("a message is refused", ask(self, "message", "oh darn, darn") == CHAT_OK);
    expect("oh ****, ****");
    check("a topic passes", ask(self, "topic", "darn") == CHAT_DENY);
    expect("not in a topic");
    check("a join is refused", ask(self, "join", "") == CHAT_OK);
    expect("");
    plugin_stop(self);
    check("it starts with anything", begin("wort = 'darn'", &self) != CHAT_OK);
    expect("unknown setting; there is word");
    return wrong;
}
