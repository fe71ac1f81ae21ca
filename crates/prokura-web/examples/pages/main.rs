//! Writes every page with sample data to a folder, one file per page and language, to look at them while working on them:
//! `cargo run -p prokura-web --example pages -- target/pages`.

mod samples;

use prokura_web::pages::assets;
use prokura_web::pages::language::Language;
use prokura_web::pages::view::{self, Chrome};
use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = PathBuf::from(std::env::args().nth(1).ok_or("usage: pages FOLDER")?);
    std::fs::create_dir_all(folder.join("assets"))?;
    for (path, content) in assets::files() {
        std::fs::write(folder.join(path.trim_start_matches('/')), content)?;
    }
    for language in Language::ALL {
        let chrome = Chrome {
            tenant_name: "Acme Supplies".to_owned(),
            language,
            base: "/t/acme".to_owned(),
            support_code: "019a5c1e-7b1d-7c52-9d0b-2a6c1f0e4d11".to_owned(),
            csrf: "sample".to_owned(),
            flow: Some("sample".to_owned()),
            here: Some("/t/acme/login?flow=sample".to_owned()),
            ..Chrome::default()
        };
        for (name, page) in samples::all() {
            std::fs::write(folder.join(format!("{name}.{}.html", language.tag())), page.html(&chrome)?)?;
        }
    }
    Ok(())
}
