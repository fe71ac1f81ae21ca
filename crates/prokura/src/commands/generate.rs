//! What is generated from the code and committed: the annotated configuration, the tables, the API.

use crate::cli::Generated;

/// The text of one generated file.
pub(super) fn generate(what: Generated) -> String {
    match what {
        Generated::Openapi => prokura_web::openapi().trim_end().to_owned(),
        Generated::Config => include_str!("reference.toml").trim_end().to_owned(),
        Generated::Schema => format!(
            "# Schema\n\nGenerated from the migrations. Columns are TEXT or BIGINT; moments are Unix milliseconds.\n\n```sql\n{}\n```",
            prokura_engine::schema().trim_end()
        ),
    }
}
