/* Who comes in, and who does not. */
#include "plugin.c"
#include "test_support.h"

static chat_status ask(void *self, const char *mechanism, const char *name, const char *secret) {
    chat_bytes argv[] = { text(mechanism), text(name), text(secret), text("192.0.2.7"), text("irc"), text("nothing"), text("") };
    chat_record record = { CHAT_KIND_COMMAND, 7, argv };
    return auth.check(self, 1, &record, sink);
}

int main(void) {
    void *self = 0;
    check("it does not start", begin("secret = \"sesame\"\n", &self) == CHAT_OK);
    check("joe is kept out", ask(self, "password", "joe", "sesame") == CHAT_OK);
    expect("joe");
    check("a wrong secret lets in", ask(self, "password", "joe", "donkey") == CHAT_DENY);
    expect("wrong name or secret");
    check("nobody is somebody", ask(self, "password", "", "sesame") == CHAT_DENY);
    expect("wrong name or secret");
    check("guests are its business", ask(self, "none", "", "") == CHAT_DECLINE);
    expect("");
    auth.cancel(self, 1);
    plugin_stop(self);

    check("it does not start", begin("", &self) == CHAT_OK);
    check("without a secret it has an opinion", ask(self, "password", "joe", "") == CHAT_DECLINE);
    plugin_stop(self);
    check("it starts with anything", begin("sekret = 'sesame'", &self) != CHAT_OK);
    expect("unknown setting; there is secret");
    return wrong;
}
