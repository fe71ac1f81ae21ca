//! `cargo xtask pages`: paints every page, light and dark, wide and narrow, into `docs/images/pages`, and those of the demo's
//! hybrid storefronts into `docs/images/hybrid`. The tests that look at the pages do it, so nothing is painted that has
//! something wrong with it.

use crate::{
    needs,
    process::{cargo, run as execute, step},
};
use anyhow::{Context as _, Result};
use std::{fs, path::Path};

/// A folder of pictures, from the root; and the test that paints them: its package, where that has it, and its name.
const FOLDERS: [(&str, &str, &[&str], &str); 2] = [
    ("docs/images/pages", "prokura-web", &["--lib"], "every_page_is_good_for_everybody_light_and_dark_wide_and_narrow"),
    ("docs/images/hybrid", "prokura", &["--test", "it"], "one_shopper_walks_between_both_storefronts_of_the_demo"),
];

/// Paints them.
///
/// # Errors
/// When a program is missing, or a page has something wrong with it.
pub(crate) fn run(root: &Path) -> Result<bool> {
    needs::programs()?;
    for (folder, package, target, test) in FOLDERS {
        let folder = root.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
        }
        step("paint every page", || {
            let arguments = ["test", "--quiet", "--package", package];
            execute(cargo(root).args(arguments).args(target).arg(test).env("PROKURA_PICTURES", &folder))
        })?;
    }
    Ok(true)
}
