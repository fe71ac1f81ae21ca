//! The headless and the classic storefront in front of the real server, in headless Chromium: one shopper, whichever half
//! a click goes to. The scripts in the demo's `tests/browser` say what is done.

mod moments;
mod program;

use crate::{arrange::run, clients::run_within};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use tokio::{process::Command, sync::Mutex};

/// How long one walk may take, beside all the other tests of a run.
const LIMIT: Duration = Duration::from_mins(6);

/// The folder with the scripts and what they need, which npm brings by name.
async fn home() -> PathBuf {
    // Tests of one run come here at once.
    static TURN: Mutex<()> = Mutex::const_new(());
    let _turn = TURN.lock().await;
    // The test program lies in target/debug/deps.
    let home = std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("tools/demo");
    std::fs::create_dir_all(&home).unwrap();
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../prokura-demo/tests/browser");
    for entry in std::fs::read_dir(scripts).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), home.join(entry.file_name())).unwrap();
    }
    let wanted = std::fs::read_to_string(home.join("package.json")).unwrap();
    let marker = home.join("installed");
    if std::fs::read_to_string(&marker).is_ok_and(|there| there == wanted) {
        return home;
    }
    let npm = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    run(Command::new("npm").args(npm).current_dir(&home)).await;
    std::fs::write(marker, wanted).unwrap();
    home
}

/// Runs a script of that folder to its happy end.
async fn walk(script: &str, arguments: &[&str]) {
    let home = home().await;
    let mut command = Command::new("node");
    command.arg(home.join(script)).args(arguments);
    if let Some(pictures) = std::env::var_os("PROKURA_PICTURES") {
        command.arg(pictures);
    }
    run_within(LIMIT, command, &home, script).await;
}
