//! `cargo xtask pages`: paints every page, light and dark, wide and narrow, into `docs/images/pages`. The test that looks at
//! the pages does it, so nothing is painted that has something wrong with it.

use crate::{
    needs,
    process::{cargo, run as execute, step},
};
use anyhow::{Context as _, Result};
use std::{fs, path::Path};

/// Where the pictures are, from the root.
const FOLDER: &str = "docs/images/pages";
/// The test that looks at the pages.
const TEST: &str = "every_page_is_good_for_everybody_light_and_dark_wide_and_narrow";

/// Paints them.
///
/// # Errors
/// When a program is missing, or a page has something wrong with it.
pub(crate) fn run(root: &Path) -> Result<bool> {
    needs::programs()?;
    let folder = root.join(FOLDER);
    if folder.exists() {
        fs::remove_dir_all(&folder).with_context(|| format!("cannot clear {}", folder.display()))?;
    }
    step("paint every page", || {
        execute(
            cargo(root)
                .args(["test", "--quiet", "--package", "prokura-web", "--lib", TEST])
                .env("PROKURA_PICTURES", &folder),
        )
    })?;
    Ok(true)
}
