//! The snapshot files are insta's: what `cargo insta review` shows is what the harness wrote.

use std::path::{Path, PathBuf};

fn all(dir: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("a folder").flatten() {
        let path = entry.path();
        if path.is_dir() {
            all(&path, into);
        } else if path.extension().is_some_and(|e| e == "snap") {
            into.push(path);
        }
    }
}

#[test]
fn insta_reads_every_shipped_snapshot_and_finds_it_unchanged() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../snapshots");
    let mut files = Vec::new();
    all(&root, &mut files);
    assert!(files.len() > 150, "{} snapshots", files.len());
    for file in files {
        let text = std::fs::read_to_string(&file).expect("readable");
        let body =
            text.splitn(3, "---\n").nth(2).expect("a header and a body").trim_end().to_owned();
        let mut settings = insta::Settings::clone_current();
        settings.set_snapshot_path(file.parent().expect("a folder"));
        settings.set_prepend_module_to_snapshot(false);
        settings.set_omit_expression(true);
        let name = file.file_stem().expect("a name").to_string_lossy().into_owned();
        settings.bind(|| insta::assert_snapshot!(name, body));
    }
}
