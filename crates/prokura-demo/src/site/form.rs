//! What a page is sent: its query and the fields of its form.

use aws_lc_rs::constant_time;
use axum::Form;
use axum::extract::rejection::{FormRejection, QueryRejection};
use axum::extract::{FromRequest as _, Query, Request};

/// The query of a page. A nonsensical one is no reason to show no page.
pub(crate) type Lenient<T> = Result<Query<T>, QueryRejection>;

/// The fields of a form; none where it cannot be read.
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    pub(crate) async fn of<S: Send + Sync>(request: Request, state: &S) -> Self {
        let form: Result<Form<Vec<(String, String)>>, FormRejection> = Form::from_request(request, state).await;
        Self(form.map(|Form(fields)| fields).unwrap_or_default())
    }

    /// The text of a field, empty when it is not there.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.value(name).trim()
    }

    /// A password as it was typed, blanks included.
    pub(crate) fn password(&self) -> &str {
        self.value("password")
    }

    /// Whether the form carries the token of this shopper's forms.
    pub(crate) fn has_token(&self, expected: &str) -> bool {
        let given = self.text("form_token").as_bytes();
        !expected.is_empty() && constant_time::verify_slices_are_equal(given, expected.as_bytes()).is_ok()
    }

    fn value(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }
}
