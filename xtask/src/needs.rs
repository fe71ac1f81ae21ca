//! What the tests need besides Rust: programs of Debian and one Python tool. Whatever is there is left alone; what is
//! missing is installed when we are root, and otherwise named together with the command that installs it.

use crate::process::{program, run, step, succeeds};
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

/// The OpenAPI fuzzer, pinned so that a new release cannot turn a green commit red.
const SCHEMATHESIS: &str = "schemathesis==4.32.5";

/// A program the tests start, and the Debian packages it comes from.
struct Need {
    what: &'static str,
    packages: &'static [&'static str],
    is_there: fn() -> bool,
}

const NEEDS: &[Need] = &[
    Need { what: "the PostgreSQL server", packages: &["postgresql"], is_there: postgres_is_there },
    Need { what: "nginx", packages: &["nginx"], is_there: || on_path("nginx") },
    Need { what: "Caddy", packages: &["caddy"], is_there: || on_path("caddy") },
    Need {
        what: "Apache with mod_auth_openidc",
        packages: &["apache2-bin", "libapache2-mod-auth-openidc"],
        is_there: || on_path("apache2") && Path::new("/usr/lib/apache2/modules/mod_auth_openidc.so").is_file(),
    },
    // Without a font a headless page has no text.
    Need { what: "Chromium", packages: &["chromium", "fonts-liberation"], is_there: || on_path("chromium") },
    Need { what: "ChromeDriver", packages: &["chromium-driver"], is_there: || on_path("chromedriver") },
    Need { what: "Node.js with npm", packages: &["nodejs", "npm"], is_there: || on_path("node") && on_path("npm") },
    Need {
        what: "curl and the openssl program",
        packages: &["curl", "openssl"],
        is_there: || on_path("curl") && on_path("openssl"),
    },
    Need { what: "Python with venv", packages: &["python3", "python3-venv"], is_there: || python().is_some() },
];

/// Installs what is missing.
///
/// # Errors
/// When something is missing and cannot be installed; the message says what to do.
pub(crate) fn programs() -> Result<()> {
    let missing: Vec<&Need> = NEEDS.iter().filter(|need| !(need.is_there)()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.iter().map(|need| need.what).collect::<Vec<_>>().join(", ");
    let packages: Vec<&str> = missing.iter().flat_map(|need| need.packages).copied().collect();
    if !(is_root() && on_path("apt-get")) {
        bail!("missing for the tests: {names}\non Debian, run as root: apt-get install {}", packages.join(" "));
    }
    step(&format!("install {}", packages.join(" ")), || install(&packages))?;
    match missing.iter().find(|need| !(need.is_there)()) {
        Some(need) => bail!("{} is still missing after its packages were installed: {:?}", need.what, need.packages),
        None => Ok(()),
    }
}

fn install(packages: &[&str]) -> Result<()> {
    run(apt_get().arg("update"))?;
    run(apt_get().args(["install", "--yes", "--no-install-recommends"]).args(packages))
}

fn apt_get() -> std::process::Command {
    let mut command = program("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args([
        "--quiet",
        "-o",
        "Acquire::Retries=3",
        "-o",
        "DPkg::Lock::Timeout=300",
    ]);
    command
}

/// The OpenAPI fuzzer in a virtual environment below `target`, made when it is missing or of another version.
///
/// # Errors
/// When Python's package tool fails.
pub(crate) fn schemathesis(target: &Path) -> Result<PathBuf> {
    let home = target.join("tools/schemathesis");
    let marker = home.join("installed");
    let tool = home.join("bin/schemathesis");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == SCHEMATHESIS) && tool.is_file() {
        return Ok(tool);
    }
    step(&format!("install {SCHEMATHESIS}"), || {
        let python = python().context("no Python with the modules venv and ensurepip")?;
        run(program(python).args(["-m", "venv", "--clear"]).arg(&home))?;
        run(program(home.join("bin/python")).args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-input",
            "--disable-pip-version-check",
            SCHEMATHESIS,
        ]))?;
        fs::write(&marker, SCHEMATHESIS)?;
        Ok(tool)
    })
}

/// A Python that can make virtual environments: the one on the path, else Debian's.
fn python() -> Option<&'static str> {
    ["python3", "/usr/bin/python3"]
        .into_iter()
        .find(|python| succeeds(program(python).args(["-c", "import venv, ensurepip"])))
}

/// Debian keeps the server away from the path, in a folder per major version.
fn postgres_is_there() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("bin/initdb").is_file()) || on_path("initdb")
}

/// Whether a program is on the path, or in the folders for administrators that a user's path often lacks.
fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .any(|folder| folder.join(name).is_file())
}

fn is_root() -> bool {
    crate::process::output(program("id").arg("-u")).is_ok_and(|user| user.trim() == "0")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_or_not() {
        assert!(on_path("sh"));
        assert!(!on_path("no-such-program-anywhere"));
    }

    #[test]
    fn every_need_names_its_packages_once() {
        let mut names: Vec<_> = NEEDS.iter().flat_map(|need| need.packages).collect();
        assert!(NEEDS.iter().all(|need| !need.packages.is_empty()));
        names.sort_unstable();
        let before = names.len();
        names.dedup();
        assert_eq!(before, names.len());
    }
}
