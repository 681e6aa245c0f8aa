#![no_main]
//! The authenticator `token`: no panic on any bytes; what its keys have not signed is nobody's; claims, signed as they are, give a name or a refusal.

use chatring_auth_token::{Keys, Rules, is_one, open};

/// As those of its tests.
const KEYS: &str = "a EdDSA 11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo\n\
                    b HS256 AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let keys = Keys::parse(KEYS.as_bytes()).expect("these are keys");
    let rules = Rules { issuer: None, audience: None, leeway_s: 60 };
    is_one(data);
    // Who finds a signature without the key has broken more than this.
    assert!(open(data, "joe", &keys, &rules, 0).is_err());
    let _ = Keys::parse(data);
    let claims = chatring_fuzz::signed_by(&keys, "b", r#"{"alg":"HS256","kid":"b"}"#, data);
    if let Ok(name) = open(claims.as_bytes(), "", &keys, &rules, 0) {
        assert!(!name.is_empty() && name.len() <= 64);
    }
});
