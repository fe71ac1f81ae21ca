//! Every page in a real browser, light and dark, wide and narrow: axe-core finds nothing, and nothing is wider than the
//! screen. With `PROKURA_PICTURES=FOLDER` (that is `cargo xtask pages`) the pages are painted there, too.

use super::{chrome, samples};
use crate::pages::{assets, language::Language};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The root of the tree.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The folder with the script and what it needs, which npm brings by name.
fn home() -> PathBuf {
    // The test program lies in target/debug/deps.
    let home = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/pages");
    fs::create_dir_all(&home).unwrap();
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/browser")).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), home.join(entry.file_name())).unwrap();
    }
    let wanted = fs::read_to_string(home.join("package.json")).unwrap();
    let marker = home.join("installed");
    if fs::read_to_string(&marker).is_ok_and(|there| there == wanted) {
        return home;
    }
    let npm = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    let output = Command::new("npm").args(npm).current_dir(&home).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("npm cannot be started: {error}; `cargo xtask test` brings it"));
    assert!(output.status.success(), "npm failed:\n{}", String::from_utf8_lossy(&output.stderr));
    fs::write(marker, wanted).unwrap();
    home
}

#[test]
fn every_page_is_good_for_everybody_light_and_dark_wide_and_narrow() {
    let home = home();
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir_all(folder.path().join("assets")).unwrap();
    for (path, content) in assets::files() {
        fs::write(folder.path().join(path.trim_start_matches('/')), content).unwrap();
    }
    for (name, page) in samples::all() {
        fs::write(folder.path().join(format!("{name}.html")), page.html(&chrome(Language::English)).unwrap()).unwrap();
    }
    // German has the longest words.
    for name in ["company-members", "account-sessions", "account-security", "companies-many"] {
        let (_, page) = samples::all().into_iter().find(|(known, _)| known == name).expect("a page of that name");
        let html = page.html(&chrome(Language::German)).unwrap();
        if std::env::var_os("PROKURA_PICTURES").is_none() {
            fs::write(folder.path().join(format!("{name}.de.html")), html).unwrap();
        }
    }
    let mut command = Command::new("node");
    command.arg(home.join("pages.mjs")).arg(folder.path()).current_dir(&home).stdin(Stdio::null());
    if let Some(pictures) = std::env::var_os("PROKURA_PICTURES") {
        command.arg(pictures);
    }
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    assert!(text(&output.stdout).contains("all well"), "{}", text(&output.stdout));
}

#[test]
fn every_page_is_shown_in_the_documents() {
    let names: BTreeSet<String> = samples::all().into_iter().map(|(name, _)| name).collect();
    let pictures: BTreeSet<String> = fs::read_dir(root().join("docs/images/pages"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().trim_end_matches(".webp").to_owned())
        .collect();
    assert_eq!(names, pictures, "`cargo xtask pages` paints them anew");
    let document = fs::read_to_string(root().join("docs/every-page.md")).unwrap();
    for name in names {
        assert!(document.contains(&format!("images/pages/{name}.webp")), "docs/every-page.md does not show {name}");
    }
}
