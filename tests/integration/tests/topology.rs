//! A short run of `scripts/topology`: five nodes in a tree, under writes, cuts, kills and promotions, end with the same data.

use std::path::Path;
use std::process::{Command, Stdio};

#[test]
fn a_tree_of_replicas_ends_with_the_same_data() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new("python3")
        .arg(root.join("scripts/topology"))
        .args(["--seed", "5", "--minutes", "0.4", "--port", "0"])
        .env("TIDEMARK_SERVER", integration::node::server())
        .stdin(Stdio::null())
        .output()
        .expect("python3 in PATH");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
}
