//! Conversations in the languages that a codec may speak: it need not understand them, and must not stumble over them.

use crate::word::Case;

const KNOWN: &[&[u8]] = &[
    b"",
    // IRC.
    b"CAP LS 302\r\nNICK joe\r\nUSER joe 0 * :Joe A\r\nCAP END\r\nJOIN #g,#h key\r\n@a=b PRIVMSG #g :hello, world\r\nTOPIC #g :all about g\r\nMODE #g +o bob\r\nWHOIS bob\r\nPING x\r\nQUIT :bye\r\n",
    // Redis's protocol, as it is asked, typed, and answered.
    b"*3\r\n$5\r\nHELLO\r\n$1\r\n3\r\n$4\r\nAUTH\r\n*2\r\n$4\r\nJOIN\r\n$2\r\n#g\r\n*3\r\n$3\r\nMSG\r\n$2\r\n#g\r\n$5\r\nhello\r\n*1\r\n$4\r\nQUIT\r\n",
    b"PING\r\nJOIN #g\r\nMSG #g \"hello world\"\r\n",
    b"+OK\r\n:3\r\n$5\r\nhello\r\n-ERR what?\r\n*2\r\n$5\r\nnames\r\n$2\r\n#g\r\n>2\r\n$4\r\nping\r\n$1\r\n7\r\n%1\r\n$1\r\na\r\n$1\r\nb\r\n_\r\n",
    // Lines of words, and of JSON.
    b"PING hello\nJOIN #g\nMSG #g hello, world\nhello\n?\n\nQUIT\n",
    b"[\"JOIN\",\"#g\"]\n{\"cmd\":\"MSG\",\"args\":[\"#g\",\"h\\u00e9llo\"]}\n{\"command\":[\"PING\"]}\n",
    // HTTP, TLS and a length in front: of those who came to the wrong door.
    b"GET / HTTP/1.1\r\nHost: chat.example\r\nUpgrade: websocket\r\n\r\n",
    b"\x16\x03\x01\x00\x05hello\x00\x00\x00\x04JOIN\x00\x00\x00\x02#g",
];

/// All of them, those that were given first.
pub(crate) fn all(case: &Case) -> Vec<&[u8]> {
    case.samples.iter().map(Vec::as_slice).chain(KNOWN.iter().copied()).collect()
}

/// A few: those that were given, and the shorter ones.
pub(crate) fn few(case: &Case) -> Vec<&[u8]> {
    case.samples.iter().map(Vec::as_slice).chain([KNOWN[3], KNOWN[5]]).collect()
}
