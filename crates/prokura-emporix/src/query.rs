//! List requests: paging, sorting, the `q` language, chosen fields, and the answer as a bare array.
//!
//! A list is read from the engine in keyset order, page by page, and narrowed here. What a request may cost is bounded:
//! who asks for more than can be looked through is told to narrow the query.

mod filter;

pub(crate) use filter::Filter;

use crate::fault::{E2, E3};
use axum::{
    Json,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use prokura_http::Params;
use serde_json::{Map, Value};
use std::{cmp::Ordering, future::Future};

/// The largest page; who asks for more gets this many.
const MAX_PAGE_SIZE: u32 = 1_000;
/// The most rows one request looks at.
const MAX_SCANNED: usize = 100_000;
/// The most matches that are sorted.
const MAX_SORTED: usize = 10_000;
/// The request field that asks for the number of all matches, and the response field that tells it.
const X_TOTAL_COUNT: HeaderName = HeaderName::from_static("x-total-count");

/// What is wrong with a list request; a 400 in every dialect's shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueryFault {
    /// The parameter, as `q`, `sort`, `pageNumber`.
    pub(crate) parameter: &'static str,
    /// What is wrong and what would be right.
    pub(crate) message: String,
}

impl From<QueryFault> for E2 {
    fn from(fault: QueryFault) -> Self {
        Self::validation_failure("The request is not valid.").detail(fault.parameter, "invalid_value", &fault.message)
    }
}

impl From<QueryFault> for E3 {
    fn from(fault: QueryFault) -> Self {
        let message = format!("The parameter {} is not valid.", fault.parameter);
        Self::new(StatusCode::BAD_REQUEST, &message).detail(&fault.message)
    }
}

/// The fields a list may be narrowed and sorted by, and the size of its page.
///
/// An entry is a dotted path, a family of them as `mixins.*`, or another name for a path as
/// `legalEntityId=legalEntity.id`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fields {
    names: &'static [&'static str],
    page_size: u32,
}

impl Fields {
    /// These fields, with pages of `page_size` unless asked otherwise.
    pub(crate) const fn new(names: &'static [&'static str], page_size: u32) -> Self {
        Self { names, page_size }
    }

    /// The path behind a name; `None` when it may not be asked for.
    pub(crate) fn path<'a>(&self, name: &'a str) -> Option<&'a str> {
        self.names.iter().find_map(|entry| match (entry.split_once('='), entry.strip_suffix('*')) {
            (Some((alias, path)), _) => (alias == name).then_some(path),
            (None, Some(prefix)) => {
                let rest = name.strip_prefix(prefix)?;
                (!rest.is_empty() && !rest.starts_with('.') && !rest.ends_with('.')).then_some(name)
            }
            (None, None) => (*entry == name).then_some(name),
        })
    }
}

/// A list request.
#[derive(Clone, Debug)]
pub(crate) struct ListQuery {
    /// The page, from 1.
    pub(crate) page_number: u32,
    /// How many items it has at most.
    pub(crate) page_size: u32,
    /// What it is narrowed to.
    pub(crate) filter: Filter,
    /// What is answered besides, as `expand` names it.
    pub(crate) expand: Vec<String>,
    sort: Vec<(String, bool)>,
    projection: Vec<String>,
    wants_total: bool,
}

impl ListQuery {
    /// Reads the parameters of a list request.
    ///
    /// # Errors
    /// [`QueryFault`] names the parameter that is wrong.
    pub(crate) fn parse(params: &Params, headers: &HeaderMap, fields: &Fields) -> Result<Self, QueryFault> {
        Self::parse_search(params, headers, one(params, "q")?, fields)
    }

    /// The same for a search, whose `q` is in the body.
    ///
    /// # Errors
    /// [`QueryFault`] names the parameter that is wrong.
    pub(crate) fn parse_search(
        params: &Params,
        headers: &HeaderMap,
        q: &str,
        fields: &Fields,
    ) -> Result<Self, QueryFault> {
        let wants_total = headers
            .get(X_TOTAL_COUNT)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.trim().eq_ignore_ascii_case("true"));
        Ok(Self {
            page_number: number(params, "pageNumber", 1)?,
            page_size: number(params, "pageSize", fields.page_size)?.min(MAX_PAGE_SIZE),
            filter: Filter::parse(q, fields)?,
            expand: words(params, "expand")?,
            sort: sort(params, fields)?,
            projection: words(params, "fields")?,
            wants_total,
        })
    }

    /// Always counts all matches, asked for or not.
    #[must_use]
    pub(crate) fn counting(mut self) -> Self {
        self.wants_total = true;
        self
    }

    /// The same list with whole items, for a service that has to complete them before [`ListQuery::project`].
    #[must_use]
    pub(crate) fn whole(&self) -> Self {
        Self { projection: Vec::new(), ..self.clone() }
    }

    /// Cuts the items of a page to the chosen fields.
    #[must_use]
    pub(crate) fn project(&self, mut page: Page) -> Page {
        if !self.projection.is_empty() {
            page.items = page.items.iter().map(|item| project(item, &self.projection)).collect();
        }
        page
    }

    /// Whether the answer tells how many matches there are.
    pub(crate) fn wants_total(&self) -> bool {
        self.wants_total
    }

    /// Whether `expand` names `what`.
    pub(crate) fn expands(&self, what: &str) -> bool {
        self.expand.iter().any(|word| word == what)
    }

    fn first(&self) -> usize {
        (self.page_number as usize - 1).saturating_mul(self.page_size as usize)
    }
}

fn one<'a>(params: &'a Params, name: &'static str) -> Result<&'a str, QueryFault> {
    let fault = |_| QueryFault { parameter: name, message: format!("{name} must not be repeated") };
    Ok(params.one(name).map_err(fault)?.unwrap_or_default())
}

fn number(params: &Params, name: &'static str, default: u32) -> Result<u32, QueryFault> {
    match one(params, name)?.trim() {
        "" => Ok(default),
        text => match text.parse::<u32>() {
            Ok(number) if number > 0 => Ok(number),
            _ => Err(QueryFault { parameter: name, message: format!("{name} is a number from 1") }),
        },
    }
}

fn words(params: &Params, name: &'static str) -> Result<Vec<String>, QueryFault> {
    let words = one(params, name)?.split(',').map(str::trim);
    Ok(words.filter(|word| !word.is_empty()).map(str::to_owned).collect())
}

/// `field:asc,other:desc`; without a direction it is ascending.
fn sort(params: &Params, fields: &Fields) -> Result<Vec<(String, bool)>, QueryFault> {
    let fault = |message| QueryFault { parameter: "sort", message };
    words(params, "sort")?
        .iter()
        .map(|word| {
            let (name, direction) = word.split_once(':').unwrap_or((word, "asc"));
            let path = fields.path(name).ok_or_else(|| fault(format!("there is no field \"{name}\" to sort by")))?;
            match direction.to_ascii_lowercase().as_str() {
                "asc" => Ok((path.to_owned(), false)),
                "desc" => Ok((path.to_owned(), true)),
                _ => Err(fault(format!("\"{name}\" is sorted asc or desc"))),
            }
        })
        .collect()
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Page {
    /// Its items, cut to the chosen fields.
    pub(crate) items: Vec<Value>,
    /// How many matches there are in all, when asked for.
    pub(crate) total: Option<u64>,
}

impl IntoResponse for Page {
    fn into_response(self) -> Response {
        let mut response = Json(self.items).into_response();
        if let Some(total) = self.total {
            response.headers_mut().insert(X_TOTAL_COUNT, HeaderValue::from(total));
        }
        response
    }
}

/// Reads a list: `fetch` is given the last key it answered with (at first an empty text) and answers with the next
/// items and their keys in ascending order; an empty answer ends the list.
///
/// # Errors
/// Those of `fetch`, and [`QueryFault`] when more would have to be looked at or sorted than one request may.
pub(crate) async fn collect<F, Fut, E>(list: &ListQuery, fetch: F) -> Result<Page, E>
where
    F: FnMut(String) -> Fut,
    Fut: Future<Output = Result<Vec<(String, Value)>, E>>,
    E: From<QueryFault>,
{
    collect_counted(list, None, fetch).await
}

/// The same for a list whose length the database has told.
///
/// # Errors
/// As [`collect`].
pub(crate) async fn collect_counted<F, Fut, E>(list: &ListQuery, total: Option<u64>, mut fetch: F) -> Result<Page, E>
where
    F: FnMut(String) -> Fut,
    Fut: Future<Output = Result<Vec<(String, Value)>, E>>,
    E: From<QueryFault>,
{
    let is_sorted = !list.sort.is_empty();
    let counts_here = list.wants_total && total.is_none();
    let (first, size) = (list.first(), list.page_size as usize);
    let (mut kept, mut matches, mut scanned) = (Vec::new(), 0_usize, 0_usize);
    let mut after = String::new();
    'pages: loop {
        let batch = fetch(std::mem::take(&mut after)).await?;
        if batch.is_empty() {
            break;
        }
        for (key, item) in batch {
            after = key;
            scanned += 1;
            if scanned > MAX_SCANNED {
                return Err(too_much("q", MAX_SCANNED).into());
            }
            if !list.filter.matches(&item) {
                continue;
            }
            matches += 1;
            if is_sorted {
                if matches > MAX_SORTED {
                    return Err(too_much("sort", MAX_SORTED).into());
                }
                kept.push(item);
            } else {
                if matches > first && kept.len() < size {
                    kept.push(item);
                }
                if kept.len() == size && !counts_here {
                    break 'pages;
                }
            }
        }
    }
    if is_sorted {
        kept.sort_by(|a, b| compare(a, b, &list.sort));
        kept = kept.into_iter().skip(first).take(size).collect();
    }
    let total = if list.wants_total { total.or(Some(matches as u64)) } else { None };
    Ok(list.project(Page { items: kept, total }))
}

fn too_much(parameter: &'static str, most: usize) -> QueryFault {
    let message = format!("more than {most} items would have to be looked through; narrow the query");
    QueryFault { parameter, message }
}

fn compare(a: &Value, b: &Value, sort: &[(String, bool)]) -> Ordering {
    for (path, is_descending) in sort {
        let order = rank(a, path).partial_cmp(&rank(b, path)).unwrap_or(Ordering::Equal);
        if order != Ordering::Equal {
            return if *is_descending { order.reverse() } else { order };
        }
    }
    Ordering::Equal
}

/// What is absent comes first, then switches, numbers and texts; texts without regard to case, unless that is all
/// they differ in. Moments are written so that their characters sort them.
#[derive(PartialEq, PartialOrd)]
enum Rank<'a> {
    Absent,
    Switch(bool),
    Number(f64),
    Text(String, &'a str),
}

fn rank<'a>(item: &'a Value, path: &str) -> Rank<'a> {
    let mut found = Vec::new();
    filter::find(item, path, &mut found);
    match found.first() {
        Some(Value::Bool(value)) => Rank::Switch(*value),
        Some(Value::Number(value)) => value.as_f64().map_or(Rank::Absent, Rank::Number),
        Some(Value::String(value)) => Rank::Text(value.to_lowercase(), value),
        Some(Value::Null | Value::Array(_) | Value::Object(_)) | None => Rank::Absent,
    }
}

/// The item with nothing but the chosen fields.
fn project(item: &Value, projection: &[String]) -> Value {
    let Value::Object(members) = item else { return item.clone() };
    let mut chosen = Map::new();
    for (name, member) in members {
        let mut below = Vec::new();
        let is_whole = projection.iter().any(|path| match path.split_once('.') {
            None => path == name,
            Some((first, rest)) => {
                if first == name {
                    below.push(rest.to_owned());
                }
                false
            }
        });
        if is_whole {
            chosen.insert(name.clone(), member.clone());
        } else if !below.is_empty() {
            let member = if let Value::Array(elements) = member {
                Value::Array(elements.iter().map(|each| project(each, &below)).collect())
            } else {
                project(member, &below)
            };
            chosen.insert(name.clone(), member);
        }
    }
    Value::Object(chosen)
}

#[cfg(test)]
mod tests;
