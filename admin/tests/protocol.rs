//! docs/protocol.md says what the tables say.

use std::fs;
use std::path::Path;

#[test]
fn the_reference_is_up_to_date() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/protocol.md");
    let expect = chatring_admin::reference::protocol();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &expect).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    let differs = expect.lines().zip(found.lines()).find(|(expect, found)| expect != found);
    assert!(found == expect, "docs/protocol.md is out of date at {differs:?}: run UPDATE_DOCS=1 cargo test -p chatring-admin");
}
