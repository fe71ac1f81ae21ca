//! Lists by cases: pages, order, fields, counting.

use super::*;
use prokura_http::Params;
use serde_json::json;

const FIELDS: Fields = Fields::new(&["id", "name", "amount", "metadata.modifiedAt", "mixins.*"], 3);

fn parse(pairs: &[(&str, &str)]) -> Result<ListQuery, QueryFault> {
    let pairs: Vec<_> = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect();
    ListQuery::parse(&Params::parse(&pairs.join("&")), &HeaderMap::new(), &FIELDS)
}

fn rows(count: usize) -> Vec<(String, Value)> {
    (0..count)
        .map(|n| (format!("{n:05}"), json!({ "id": n, "name": if n % 2 == 0 { "even" } else { "Odd" } })))
        .collect()
}

/// Hands `all` out in batches of four, and counts how often it is asked.
async fn run(list: &ListQuery, all: &[(String, Value)], asked: &mut usize) -> Result<Page, QueryFault> {
    let asked = std::cell::RefCell::new(asked);
    collect(list, |after| {
        **asked.borrow_mut() += 1;
        let batch = all.iter().filter(|(key, _)| *key > after).take(4).cloned().collect();
        async move { Ok(batch) }
    })
    .await
}

async fn ids(pairs: &[(&str, &str)], count: usize) -> Vec<i64> {
    let page = run(&parse(pairs).expect("a query"), &rows(count), &mut 0).await.expect("a page");
    page.items.iter().filter_map(|item| item.get("id").and_then(Value::as_i64)).collect()
}

#[tokio::test]
async fn pages_are_cut_from_the_whole_list() {
    assert_eq!(ids(&[], 10).await, [0, 1, 2]);
    assert_eq!(ids(&[("pageNumber", "4")], 10).await, [9]);
    assert_eq!(ids(&[("pageNumber", "5")], 10).await, Vec::<i64>::new());
    assert_eq!(ids(&[("pageSize", "5"), ("pageNumber", "2")], 10).await, [5, 6, 7, 8, 9]);
    assert_eq!(ids(&[("q", "name:Odd"), ("pageNumber", "2")], 10).await, [7, 9]);
    assert_eq!(ids(&[("pageNumber", "4294967295"), ("pageSize", "1000")], 10).await, Vec::<i64>::new());
}

#[tokio::test]
async fn lists_are_sorted_by_several_fields() {
    assert_eq!(ids(&[("sort", "name:desc,id:asc"), ("pageSize", "4")], 6).await, [1, 3, 5, 0]);
    assert_eq!(ids(&[("sort", "id:DESC")], 6).await, [5, 4, 3]);
    assert_eq!(ids(&[("sort", "name"), ("pageSize", "4")], 4).await, [0, 2, 1, 3]);
    assert_eq!(ids(&[("sort", "mixins.a"), ("pageNumber", "2")], 4).await, [3]);
}

#[tokio::test]
async fn a_list_is_read_no_further_than_needed() {
    let mut asked = 0;
    run(&parse(&[]).expect("query"), &rows(100), &mut asked).await.expect("page");
    assert_eq!(asked, 1);
    let list = parse(&[]).expect("query").counting();
    let page = run(&list, &rows(100), &mut asked).await.expect("page");
    assert_eq!((page.total, page.items.len()), (Some(100), 3));
    let page = collect_counted(&list, Some(7_000_000), async |after: String| {
        Ok::<_, QueryFault>(if after.is_empty() { rows(4) } else { Vec::new() })
    });
    assert_eq!(page.await.expect("page").total, Some(7_000_000));
}

#[tokio::test]
async fn what_would_cost_too_much_is_refused() {
    let endless = |after: String| async move {
        let begin: usize = after.parse().unwrap_or(0);
        Ok::<_, QueryFault>((begin + 1..begin + 1_001).map(|n| (format!("{n:09}"), json!({ "id": n }))).collect())
    };
    let sorted = parse(&[("sort", "id")]).expect("query");
    assert_eq!(collect(&sorted, endless).await.expect_err("refused").parameter, "sort");
    let filtered = parse(&[("q", "id:0")]).expect("query");
    assert_eq!(collect(&filtered, endless).await.expect_err("refused").parameter, "q");
}

#[tokio::test]
async fn only_the_chosen_fields_are_answered() {
    let list = parse(&[("fields", "id, metadata.version,addresses.city,unknown")]).expect("query");
    let item = json!({
        "id": "1", "name": "n", "metadata": { "version": 2, "createdAt": "x" },
        "addresses": [{ "city": "Berlin", "street": "s" }]
    });
    let page = run(&list, &[("1".to_owned(), item)], &mut 0).await.expect("page");
    let expected = json!({ "id": "1", "metadata": { "version": 2 }, "addresses": [{ "city": "Berlin" }] });
    assert_eq!(page.items, [expected]);
}

#[test]
fn parameters_are_checked() {
    for (name, value) in [
        ("pageNumber", "0"),
        ("pageNumber", "-1"),
        ("pageNumber", "x"),
        ("pageSize", "0"),
        ("sort", "unknown:asc"),
        ("sort", "id:up"),
        ("q", "unknown:x"),
    ] {
        assert_eq!(parse(&[(name, value)]).expect_err(value).parameter, name);
    }
    assert_eq!(parse(&[("q", "id:1"), ("q", "id:2")]).expect_err("twice").parameter, "q");
    assert_eq!(parse(&[("pageSize", "5000")]).expect("capped").page_size, 1_000);
    assert!(parse(&[("expand", "addresses,mixin:*")]).expect("expand").expands("addresses"));
}

#[test]
fn the_number_of_matches_is_told_on_request() {
    let mut headers = HeaderMap::new();
    headers.insert("x-total-count", HeaderValue::from_static("true"));
    assert!(ListQuery::parse(&Params::parse(""), &headers, &FIELDS).expect("query").wants_total());
    let response = Page { items: vec![json!(1)], total: Some(41) }.into_response();
    assert_eq!(response.headers().get("x-total-count").expect("header"), "41");
    assert!(Page { items: Vec::new(), total: None }.into_response().headers().get("x-total-count").is_none());
}
