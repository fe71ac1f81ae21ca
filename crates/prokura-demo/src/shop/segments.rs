//! What the segments of a caller hold, asked from Prokura with the shop's own service token.
//!
//! Answers are fresh for two seconds. When Prokura cannot be reached, the last answer is used for half a minute and
//! then nothing is shown any more: a segment that was taken away must not stay visible because a server is down.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use moka::future::Cache;
use parking_lot::Mutex;
use reqwest::{StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::caller::{Caller, Who};
use super::{Context, ShopConfig};

const FRESH: Duration = Duration::from_secs(2);
const STALE: Duration = Duration::from_secs(30);
/// The most a page of the segment API holds.
const PAGE_SIZE: usize = 1000;
/// A service token is replaced this long before it ends.
const TOKEN_MARGIN: Duration = Duration::from_mins(1);

/// Prokura did not answer as expected.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum SegmentsUnavailable {
    #[error("the request to the segment API failed")]
    Transport(#[source] Arc<reqwest::Error>),
    #[error("{path} answered {status}")]
    Status { path: String, status: StatusCode },
    #[error("the configured address of Prokura cannot be used")]
    Address,
}

impl From<reqwest::Error> for SegmentsUnavailable {
    fn from(error: reqwest::Error) -> Self {
        Self::Transport(Arc::new(error.without_url()))
    }
}

/// The products and categories a caller may see, as JSON arrays ready to be bound to a statement.
#[derive(Debug, Clone)]
pub(super) struct Assortment {
    pub(super) products: String,
    pub(super) categories: String,
}

/// What one segment holds.
#[derive(Debug, Default)]
struct Items {
    products: Vec<String>,
    categories: Vec<String>,
}

/// The segment API of one tenant, remembered for a moment.
pub(super) struct Segments {
    api: Api,
    items: Remembered<String, Items>,
    memberships: Remembered<(String, Option<String>), Vec<String>>,
}

impl Segments {
    pub(super) fn new(config: &ShopConfig) -> Self {
        Self {
            api: Api { http: http_client(), config: config.clone(), token: Mutex::new(None) },
            items: Remembered::new(FRESH, STALE),
            memberships: Remembered::new(FRESH, STALE),
        }
    }

    /// The ids of everything the segments in question hold together.
    async fn assortment(&self, segments: BTreeSet<String>) -> Result<Assortment, SegmentsUnavailable> {
        let (mut products, mut categories) = (BTreeSet::new(), BTreeSet::new());
        for segment in segments {
            let items = self.items.get(segment.clone(), self.api.items(&segment)).await?;
            products.extend(items.products.iter().cloned());
            categories.extend(items.categories.iter().cloned());
        }
        Ok(Assortment { products: json_array(products), categories: json_array(categories) })
    }

    /// All active segments of a customer, for the rare one who has more than the gateway names.
    async fn of_customer(
        &self,
        customer: &str,
        legal_entity: Option<&str>,
    ) -> Result<Arc<Vec<String>>, SegmentsUnavailable> {
        let key = (customer.to_owned(), legal_entity.map(str::to_owned));
        self.memberships.get(key, self.api.memberships(customer, legal_entity)).await
    }
}

impl Context {
    /// What this caller may see.
    pub(super) async fn assortment(&self, caller: &Caller) -> Result<Assortment, SegmentsUnavailable> {
        let mut segments: BTreeSet<String> = match &caller.who {
            Who::Customer { customer, acting_for } if caller.has_more_segments => {
                self.segments.of_customer(customer, acting_for.as_deref()).await?.iter().cloned().collect()
            }
            Who::Customer { .. } | Who::Guest { .. } | Who::Service => caller.segments.iter().cloned().collect(),
        };
        // A company sees what was agreed with it. Whoever acts for none walks past the shop window.
        if caller.legal_entity().is_none() {
            segments.extend(self.config.public_segments.iter().cloned());
        }
        self.segments.assortment(segments).await
    }
}

/// A cache in front of a server that may fail. Many requests for one key wait for a single answer.
struct Remembered<K, V> {
    fresh: Cache<K, Arc<V>>,
    stale: Cache<K, Arc<V>>,
}

impl<K, V> Remembered<K, V>
where
    K: std::hash::Hash + Eq + Clone + Send + Sync + 'static,
    V: Send + Sync + 'static,
{
    fn new(fresh: Duration, stale: Duration) -> Self {
        let cache = |life| Cache::builder().max_capacity(10_000).time_to_live(life).build();
        Self { fresh: cache(fresh), stale: cache(stale) }
    }

    async fn get(
        &self,
        key: K,
        fetch: impl Future<Output = Result<V, SegmentsUnavailable>>,
    ) -> Result<Arc<V>, SegmentsUnavailable> {
        let remembered = self.fresh.try_get_with(key.clone(), async {
            let value = Arc::new(fetch.await?);
            self.stale.insert(key.clone(), Arc::clone(&value)).await;
            Ok::<_, SegmentsUnavailable>(value)
        });
        match remembered.await {
            Ok(value) => Ok(value),
            Err(error) => match self.stale.get(&key).await {
                Some(value) => {
                    tracing::warn!(%error, "segment API failed, using the last answer");
                    Ok(value)
                }
                None => Err((*error).clone()),
            },
        }
    }
}

/// The calls themselves.
struct Api {
    http: reqwest::Client,
    config: ShopConfig,
    token: Mutex<Option<ServiceToken>>,
}

#[derive(Clone)]
struct ServiceToken {
    value: String,
    good_until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    expires_in: u64,
}

#[derive(Deserialize)]
struct ItemRow {
    item: ItemReference,
    #[serde(rename = "type")]
    kind: String,
}

#[derive(Deserialize)]
struct ItemReference {
    id: String,
}

#[derive(Deserialize)]
struct SegmentRow {
    id: String,
    status: String,
    #[serde(default)]
    validity: Option<ValidityRow>,
}

#[derive(Deserialize)]
struct ValidityRow {
    from: Option<Timestamp>,
    to: Option<Timestamp>,
}

impl SegmentRow {
    fn is_active(&self, now: Timestamp) -> bool {
        let is_current = self.validity.as_ref().is_none_or(|validity| {
            validity.from.is_none_or(|from| from <= now) && validity.to.is_none_or(|to| now < to)
        });
        self.status == "ACTIVE" && is_current
    }
}

impl Api {
    /// What a segment holds; nothing, when there is no such segment any more.
    async fn items(&self, segment: &str) -> Result<Items, SegmentsUnavailable> {
        let mut items = Items::default();
        let rows: Vec<ItemRow> = match self.pages(&["segments", segment, "items"], &[]).await {
            Err(SegmentsUnavailable::Status { status: StatusCode::NOT_FOUND, .. }) => return Ok(items),
            answer => answer?,
        };
        for row in rows {
            match row.kind.as_str() {
                "PRODUCT" => items.products.push(row.item.id),
                "CATEGORY" => items.categories.push(row.item.id),
                _ => {} // a kind of item this shop does not sell
            }
        }
        Ok(items)
    }

    async fn memberships(
        &self,
        customer: &str,
        legal_entity: Option<&str>,
    ) -> Result<Vec<String>, SegmentsUnavailable> {
        let mut query = vec![("customerId", customer)];
        query.extend(legal_entity.map(|id| ("legalEntityId", id)));
        let rows: Vec<SegmentRow> = self.pages(&["segments"], &query).await?;
        let now = Timestamp::now();
        Ok(rows.into_iter().filter(|row| row.is_active(now)).map(|row| row.id).collect())
    }

    /// All pages of a list.
    async fn pages<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<Vec<T>, SegmentsUnavailable> {
        let mut rows = Vec::new();
        for page in 1.. {
            let batch: Vec<T> = self.page(path, query, page).await?;
            let is_last = batch.len() < PAGE_SIZE;
            rows.extend(batch);
            if is_last {
                break;
            }
        }
        Ok(rows)
    }

    /// One page; with a new token when the one in hand is refused.
    async fn page<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
        page: usize,
    ) -> Result<Vec<T>, SegmentsUnavailable> {
        let mut url = self.url(&["customer-segment", &self.config.tenant])?;
        url.path_segments_mut().map_err(|()| SegmentsUnavailable::Address)?.extend(path);
        let ask = async |token: String| {
            let paging = [("pageSize", PAGE_SIZE.to_string()), ("pageNumber", page.to_string())];
            self.http.get(url.clone()).query(query).query(&paging).bearer_auth(token).send().await
        };
        let mut answer = ask(self.token().await?).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            *self.token.lock() = None;
            answer = ask(self.token().await?).await?;
        }
        Ok(successful(answer)?.json().await?)
    }

    async fn token(&self) -> Result<String, SegmentsUnavailable> {
        let now = Instant::now();
        if let Some(token) = self.token.lock().as_ref().filter(|token| now < token.good_until) {
            return Ok(token.value.clone());
        }
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.config.client_id),
            ("client_secret", &self.config.client_secret),
            ("scope", "customersegment.segment_read"),
        ];
        let answer = self.http.post(self.url(&["oauth", "token"])?).form(&form).send().await?;
        let answer: TokenAnswer = successful(answer)?.json().await?;
        let life = Duration::from_secs(answer.expires_in).saturating_sub(TOKEN_MARGIN);
        let token = ServiceToken { value: answer.access_token, good_until: now + life };
        *self.token.lock() = Some(token.clone());
        Ok(token.value)
    }

    /// An address below the configured one, with every path segment encoded.
    fn url(&self, path: &[&str]) -> Result<Url, SegmentsUnavailable> {
        let mut url = Url::parse(&self.config.prokura_url).map_err(|_| SegmentsUnavailable::Address)?;
        url.path_segments_mut().map_err(|()| SegmentsUnavailable::Address)?.pop_if_empty().extend(path);
        Ok(url)
    }
}

fn successful(answer: reqwest::Response) -> Result<reqwest::Response, SegmentsUnavailable> {
    match answer.status() {
        status if status.is_success() => Ok(answer),
        status => Err(SegmentsUnavailable::Status { path: answer.url().path().to_owned(), status }),
    }
}

fn json_array(ids: BTreeSet<String>) -> String {
    serde_json::Value::from_iter(ids).to_string()
}

/// A client that follows no redirects and waits for nobody longer than a shopper would.
fn http_client() -> reqwest::Client {
    reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(1))
        .timeout(Duration::from_secs(3))
        .build()
        .expect("the settings above are always valid")
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    async fn ask(
        remembered: &Remembered<&'static str, u32>,
        answer: Result<u32, SegmentsUnavailable>,
    ) -> Result<u32, SegmentsUnavailable> {
        remembered.get("key", async { answer }).await.map(|value| *value)
    }

    #[tokio::test]
    async fn the_last_answer_is_used_while_there_is_none_but_not_for_ever() {
        let (never, long) = (Duration::ZERO, Duration::from_hours(1));
        let bounded = Remembered::new(never, long);
        assert_eq!(ask(&bounded, Ok(1)).await.unwrap(), 1);
        assert_eq!(ask(&bounded, Ok(2)).await.unwrap(), 2, "what can be asked anew is asked anew");
        assert_eq!(ask(&bounded, Err(SegmentsUnavailable::Address)).await.unwrap(), 2);

        let over = Remembered::new(never, never);
        assert_eq!(ask(&over, Ok(1)).await.unwrap(), 1);
        ask(&over, Err(SegmentsUnavailable::Address)).await.unwrap_err();
    }

    #[tokio::test]
    async fn requests_for_one_key_wait_for_one_answer() {
        let remembered = Remembered::new(Duration::from_hours(1), Duration::from_hours(1));
        let asked = AtomicU32::new(0);
        let get = || {
            remembered.get("key", async {
                tokio::task::yield_now().await;
                Ok(asked.fetch_add(1, Ordering::Relaxed))
            })
        };
        let (one, other) = tokio::join!(get(), get());
        assert_eq!((*one.unwrap(), *other.unwrap()), (0, 0));
    }

    #[test]
    fn a_segment_counts_while_it_is_active_and_within_its_time() {
        let now = "2026-06-01T00:00:00Z".parse().unwrap();
        for (row, expected) in [
            (r#"{"id":"a","status":"ACTIVE"}"#, true),
            (r#"{"id":"a","status":"INACTIVE"}"#, false),
            (r#"{"id":"a","status":"ACTIVE","validity":{}}"#, true),
            (r#"{"id":"a","status":"ACTIVE","validity":{"from":"2026-06-01T00:00:00.000Z"}}"#, true),
            (r#"{"id":"a","status":"ACTIVE","validity":{"from":"2026-06-01T00:00:00.001Z"}}"#, false),
            (r#"{"id":"a","status":"ACTIVE","validity":{"from":null,"to":"2026-06-01T00:00:00.000Z"}}"#, false),
        ] {
            assert_eq!(serde_json::from_str::<SegmentRow>(row).unwrap().is_active(now), expected, "{row}");
        }
    }
}
