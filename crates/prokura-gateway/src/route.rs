//! Compiled routes, and finding the one for a request (S-54).
//!
//! A table is built whole or not at all, and swapped whole: a request sees one table from its first phase to its last.

use crate::{
    config::{ConfigError, GatewayConfig, HeaderNames, Requirement, RouteConfig},
    decide::{Demand, Proof},
    inject::Injection,
    path::{PathOddities, is_below, normalize},
    refusal::Refusal,
    strip::{Folds, MAX_FOLD, Network, Stripper, fold},
};
use http::{
    HeaderName, HeaderValue, Uri,
    uri::{Authority, PathAndQuery, Scheme},
};
use prokura_domain::{Scope, Scopes, TenantId};
use std::{borrow::Cow, collections::HashMap, sync::Arc, time::Duration};

/// Everything that follows from one configuration.
#[derive(Debug)]
pub(crate) struct Table {
    by_host: HashMap<Box<str>, Vec<Arc<Route>>>,
    /// Routes without a host.
    general: Vec<Arc<Route>>,
    pub(crate) stripper: Stripper,
    pub(crate) forward_auth_path: Box<str>,
    pub(crate) stale_seconds: u32,
    pub(crate) resolve_seconds: u32,
    pub(crate) connect_timeout: Duration,
    /// Counts reloads.
    pub(crate) version: u64,
}

/// One compiled route.
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own in the file")]
#[derive(Debug)]
pub(crate) struct Route {
    path: Box<str>,
    allowed: PathOddities,
    replace_path: Option<Box<str>>,
    pub(crate) demand: Demand,
    pub(crate) audience: Option<Box<str>>,
    pub(crate) strip_headers: Folds,
    pub(crate) strip_query: Vec<Box<str>>,
    pub(crate) injection: Injection,
    pub(crate) upstream: Upstream,
    pub(crate) forward_authorization: bool,
    pub(crate) forward_host: bool,
    pub(crate) assertion: bool,
    pub(crate) websocket: bool,
    pub(crate) timeout: Option<Duration>,
}

/// Where a route leads.
#[derive(Clone, Debug)]
pub(crate) struct Upstream {
    pub(crate) scheme: Scheme,
    pub(crate) authority: Authority,
    pub(crate) host: HeaderValue,
    pub(crate) name: Arc<str>,
}

/// A route, and the path in the one spelling that is decided on and forwarded.
pub(crate) struct Found<'a> {
    pub(crate) route: Arc<Route>,
    pub(crate) path: Cow<'a, str>,
}

impl Table {
    pub(crate) fn new(config: &GatewayConfig, version: u64) -> Result<Self, ConfigError> {
        let mut names = HeaderList::default();
        names.take("headers", &config.headers)?;
        let mut table = Self {
            by_host: HashMap::new(),
            general: Vec::new(),
            stripper: Stripper::new([], Vec::new()),
            forward_auth_path: path("forward_auth_path", &config.forward_auth_path)?.into(),
            stale_seconds: config.stale_seconds,
            resolve_seconds: config.resolve_seconds,
            connect_timeout: Duration::from_millis(u64::from(config.connect_timeout_milliseconds.max(1))),
            version,
        };
        for (index, route) in config.routes.iter().enumerate() {
            let at = |key: &str| format!("routes[{index}].{key}");
            if let Some(own) = &route.headers {
                names.take(&at("headers"), own)?;
            }
            let compiled = Arc::new(Route::new(route, config, &at)?);
            let routes = if let Some(host) = &route.host {
                let name = host_name(host).filter(|_| !host.contains(':'));
                let problem = || ConfigError::new(at("host"), "a host name without scheme and port is needed");
                table.by_host.entry(name.ok_or_else(problem)?).or_default()
            } else {
                &mut table.general
            };
            insert(routes, compiled, &at("path"))?;
        }
        for (index, name) in config.protected_headers.iter().enumerate() {
            names.push(&format!("protected_headers[{index}]"), name)?;
        }
        let trusted = config.trusted_peers.iter().enumerate().map(|(index, peer)| {
            peer.parse::<Network>().map_err(|()| {
                let problem = format!("{peer:?} is no address and no network like \"192.0.2.0/24\"");
                ConfigError::new(format!("trusted_peers[{index}]"), problem)
            })
        });
        table.stripper = Stripper::new(names.0.iter().map(String::as_str), trusted.collect::<Result<_, _>>()?);
        Ok(table)
    }

    /// The route for `host` and `path`.
    pub(crate) fn find<'a>(&self, host: &str, raw_path: &'a str) -> Result<Found<'a>, Refusal> {
        let (path, oddities) = normalize(raw_path).map_err(|_| Refusal::Ambiguous)?;
        let of_host =
            if self.by_host.is_empty() { None } else { host_name(host).and_then(|host| self.by_host.get(&host)) };
        let routes = of_host.into_iter().flatten().chain(&self.general);
        let Some(route) = routes.into_iter().find(|route| is_below(&path, &route.path)) else {
            let is_known = of_host.is_some() || !self.general.is_empty();
            let is_plain = oddities.is_subset(PathOddities::default());
            return Err(match (is_known, is_plain) {
                (true, true) => Refusal::NoRoute,
                (true, false) => Refusal::Ambiguous,
                (false, _) => Refusal::UnknownHost,
            });
        };
        if !oddities.is_subset(route.allowed) {
            return Err(Refusal::Ambiguous);
        }
        Ok(Found { route: Arc::clone(route), path })
    }

    /// Whether some route leads to an upstream with TLS.
    pub(crate) fn needs_tls(&self) -> bool {
        let routes = self.by_host.values().flatten().chain(&self.general);
        routes.into_iter().any(|route| route.upstream.scheme == Scheme::HTTPS)
    }
}

impl Route {
    fn new(route: &RouteConfig, config: &GatewayConfig, at: &impl Fn(&str) -> String) -> Result<Self, ConfigError> {
        let guest_value = match &route.guest_value {
            Some(_) if route.require == Requirement::LegalEntity => {
                return Err(ConfigError::new(at("guest_value"), "is never used where a legal entity is required"));
            }
            Some(value) if value.is_empty() => return Err(ConfigError::new(at("guest_value"), "must not be empty")),
            other => other.as_deref(),
        };
        let scope = |key: &str, scope: &String| {
            scope.parse::<Scope>().map_err(|error| ConfigError::new(at(key), error.to_string()))
        };
        let scopes_any = route.scopes_any.iter().map(|one| scope("scopes_any", one)).collect::<Result<_, _>>()?;
        let scopes_all: Result<Scopes, _> = route.scopes_all.iter().map(|one| scope("scopes_all", one)).collect();
        let tenant = route.tenant.as_ref().or(config.tenant.as_ref());
        let tenant = tenant.map(|tenant| tenant.parse::<TenantId>()).transpose();
        let (upstream, names) = (upstream(route, at)?, route.headers.as_ref().unwrap_or(&config.headers));
        Ok(Self {
            path: path(&at("path"), &route.path)?.into(),
            allowed: route.allow_in_path.iter().copied().collect(),
            replace_path: match &route.replace_path {
                Some(with) => Some(path(&at("replace_path"), with)?.into()),
                None => None,
            },
            demand: Demand {
                require: route.require,
                scopes_any,
                scopes_all: scopes_all?,
                tenant: tenant.map_err(|error| ConfigError::new(at("tenant"), error.to_string()))?,
                allow_service: route.allow_service,
                proof: Proof::of(route.require_multi_factor, route.max_login_age_seconds),
            },
            audience: route.audience.as_deref().map(Box::from),
            strip_headers: Folds::new(
                route.strip_headers.iter().map(|name| fold(name)).collect::<Vec<_>>().iter().map(String::as_str),
            ),
            strip_query: route.strip_query.iter().map(|name| name.to_ascii_lowercase().into()).collect(),
            injection: Injection::new(names, guest_value),
            upstream,
            forward_authorization: route.forward_authorization,
            forward_host: route.forward_host,
            assertion: route.assertion,
            websocket: route.websocket,
            timeout: (route.timeout_seconds > 0).then(|| Duration::from_secs(u64::from(route.timeout_seconds))),
        })
    }

    /// Whether credentials go through unread: the upstream checks them itself.
    pub(crate) fn is_transparent(&self) -> bool {
        self.forward_authorization && self.demand.require == Requirement::None
    }

    /// The address at the upstream.
    pub(crate) fn uri(&self, path: &str, query: Option<&str>, asked: &Uri) -> Result<Uri, Refusal> {
        let same = asked.path_and_query().filter(|asked| asked.path() == path && asked.query() == query);
        let target = match (&self.replace_path, same) {
            (None, Some(same)) => same.clone(),
            (replace, _) => {
                let path = match replace {
                    Some(with) => {
                        let rest = path.strip_prefix(&*self.path).unwrap_or(path).trim_start_matches('/');
                        Cow::Owned(match rest {
                            "" => with.to_string(),
                            rest => format!("{}/{rest}", with.trim_end_matches('/')),
                        })
                    }
                    None => Cow::Borrowed(path),
                };
                let target = match query {
                    Some(query) if !query.is_empty() => format!("{path}?{query}"),
                    Some(_) | None => path.into_owned(),
                };
                PathAndQuery::try_from(target).map_err(|_| Refusal::Ambiguous)?
            }
        };
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(self.upstream.scheme.clone());
        parts.authority = Some(self.upstream.authority.clone());
        parts.path_and_query = Some(target);
        Uri::from_parts(parts).map_err(|_| Refusal::Ambiguous)
    }
}

/// Adds a route; the longest path stays first.
fn insert(routes: &mut Vec<Arc<Route>>, route: Arc<Route>, key: &str) -> Result<(), ConfigError> {
    if routes.iter().any(|other| other.path == route.path) {
        return Err(ConfigError::new(key, format!("there is another route for {:?} of this host", route.path)));
    }
    let at = routes.partition_point(|other| other.path.len() >= route.path.len());
    routes.insert(at, route);
    Ok(())
}

/// A host in the form in which hosts are compared: lower case, without port and trailing dot.
fn host_name(host: &str) -> Option<Box<str>> {
    let authority: Authority = host.parse().ok()?;
    let name = authority.host();
    let name = name.strip_suffix('.').unwrap_or(name);
    (!name.is_empty() && !host.contains('@')).then(|| name.to_ascii_lowercase().into())
}

fn path<'a>(key: &str, path: &'a str) -> Result<&'a str, ConfigError> {
    if path.is_empty() && key == "forward_auth_path" {
        return Ok(path);
    }
    match normalize(path) {
        Ok((normal, oddities)) if normal == path && oddities.is_subset(PathOddities::default()) => Ok(path),
        Ok(_) | Err(_) => Err(ConfigError::new(key, format!("{path:?} is no plain path that begins with /"))),
    }
}

fn upstream(route: &RouteConfig, at: &impl Fn(&str) -> String) -> Result<Upstream, ConfigError> {
    let wrong = || ConfigError::new(at("upstream"), format!("{:?} is not like \"http://host:port\"", route.upstream));
    let parts = route.upstream.parse::<Uri>().map_err(|_| wrong())?.into_parts();
    let (Some(scheme), Some(authority)) = (parts.scheme, parts.authority) else { return Err(wrong()) };
    let has_path = parts.path_and_query.is_some_and(|path| path.as_str() != "/");
    if !(scheme == Scheme::HTTP || scheme == Scheme::HTTPS) || has_path || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let host = HeaderValue::from_str(authority.as_str()).map_err(|_| wrong())?;
    let name = match &route.upstream_name {
        Some(name) => Arc::from(name.as_str()),
        None => Arc::from(format!("{scheme}://{authority}")),
    };
    Ok(Upstream { scheme, authority, host, name })
}

/// All header names of a configuration.
#[derive(Default)]
struct HeaderList(Vec<String>);

impl HeaderList {
    fn take(&mut self, key: &str, names: &HeaderNames) -> Result<(), ConfigError> {
        let HeaderNames {
            legal_entity,
            tenant,
            customer,
            session,
            visitor,
            client,
            scopes,
            segments,
            segments_more,
            subject,
            assertion,
        } = names;
        let lists = [
            ("legal_entity", legal_entity),
            ("tenant", tenant),
            ("customer", customer),
            ("session", session),
            ("visitor", visitor),
            ("client", client),
            ("scopes", scopes),
            ("segments", segments),
            ("segments_more", segments_more),
            ("subject", subject),
            ("assertion", assertion),
        ];
        let mut own: Vec<String> = Vec::new();
        for (word, list) in lists {
            for name in list {
                let key = format!("{key}.{word}");
                self.push(&key, name)?;
                let lower = name.to_ascii_lowercase();
                if own.contains(&lower) {
                    return Err(ConfigError::new(key, format!("{name:?} is used twice")));
                }
                own.push(lower);
            }
        }
        Ok(())
    }

    fn push(&mut self, key: &str, name: &str) -> Result<(), ConfigError> {
        let parsed = HeaderName::from_bytes(name.as_bytes());
        let folded = fold(name);
        let is_reserved = Stripper::is_reserved(&folded);
        if parsed.is_err() || folded.is_empty() || folded.len() > MAX_FOLD - 1 || is_reserved {
            return Err(ConfigError::new(key, format!("{name:?} cannot be the name of such a header")));
        }
        self.0.push(name.to_owned());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(routes: &str) -> GatewayConfig {
        serde_json::from_str(&format!(r#"{{"routes":[{routes}]}}"#)).unwrap()
    }

    fn problem(json: &str) -> String {
        Table::new(&serde_json::from_str(json).unwrap(), 0).unwrap_err().to_string()
    }

    #[test]
    fn the_longest_path_of_the_most_specific_host_wins() {
        let table = Table::new(
            &config(
                r#"{"path":"/","upstream":"http://a:1","require":"none"},
                   {"path":"/api/orders","upstream":"http://a:2","require":"none"},
                   {"path":"/api","upstream":"http://a:3","require":"none"},
                   {"host":"Shop.Example.","path":"/api","upstream":"http://a:4","require":"none"}"#,
            ),
            0,
        )
        .unwrap();
        for (host, path, upstream) in [
            ("x", "/", "a:1"),
            ("x", "/api/orders/1", "a:2"),
            ("x", "/api/ordersX", "a:3"),
            ("x", "/api/%6frders", "a:2"),
            ("shop.example", "/api/orders", "a:4"),
            ("SHOP.example.:8401", "/api/orders", "a:4"),
            ("shop.example", "/", "a:1"),
        ] {
            assert_eq!(table.find(host, path).unwrap().route.upstream.authority, upstream, "{host} {path}");
        }
        assert_eq!(table.find("x", "/api/../x").err(), Some(Refusal::Ambiguous));
        assert_eq!(table.find("x", "/api//x").err(), Some(Refusal::Ambiguous));
    }

    #[test]
    fn s99_an_unknown_host_and_an_unknown_path_differ() {
        let table =
            Table::new(&config(r#"{"host":"a","path":"/x","upstream":"http://a","require":"none"}"#), 0).unwrap();
        assert_eq!(table.find("b", "/x").err(), Some(Refusal::UnknownHost));
        assert_eq!(table.find("a", "/y").err(), Some(Refusal::NoRoute));
    }

    #[test]
    fn a_replaced_path_keeps_what_follows() {
        let table = Table::new(
            &config(r#"{"path":"/api/shop","upstream":"http://a:1","require":"none","replace_path":"/v2"}"#),
            0,
        )
        .unwrap();
        for (path, expected) in [
            ("/api/shop", "http://a:1/v2"),
            ("/api/shop/x?y=1", "http://a:1/v2/x?y=1"),
            ("/api/shop/?", "http://a:1/v2"),
        ] {
            let asked: Uri = path.parse().unwrap();
            let found = table.find("x", asked.path()).unwrap();
            assert_eq!(found.route.uri(&found.path, asked.query(), &asked).unwrap(), expected);
        }
    }

    #[test]
    fn errors_name_their_key() {
        let route =
            |more: &str| format!(r#"{{"routes":[{{"path":"/","upstream":"http://a","require":"guest"{more}}}]}}"#);
        for (json, key) in [
            (r#"{"routes":[{"path":"x","upstream":"http://a","require":"none"}]}"#.to_owned(), "routes[0].path: "),
            (r#"{"routes":[{"path":"/","upstream":"a","require":"none"}]}"#.to_owned(), "routes[0].upstream: "),
            (
                r#"{"routes":[{"path":"/","upstream":"http://a/b","require":"none"}]}"#.to_owned(),
                "routes[0].upstream: ",
            ),
            (r#"{"trusted_peers":["localhost"]}"#.to_owned(), "trusted_peers[0]: "),
            (r#"{"headers":{"tenant":["Content-Length"]}}"#.to_owned(), "headers.tenant: "),
            (r#"{"headers":{"tenant":["X-A"],"client":["x-a"]}}"#.to_owned(), "headers.client: "),
            (route(r#","headers":{"tenant":["a b"]}"#), "routes[0].headers.tenant: "),
            (route(r#","tenant":"NO""#), "routes[0].tenant: "),
            (route(r#","guest_value":"""#), "routes[0].guest_value: "),
            (route(r#","scopes_all":["a b"]"#), "routes[0].scopes_all: "),
            (route(r#","host":"http://x""#), "routes[0].host: "),
        ] {
            assert!(problem(&json).starts_with(key), "{json}: {}", problem(&json));
        }
        let unknown = serde_json::from_str::<GatewayConfig>(&route(r#","requires":"guest""#)).unwrap_err().to_string();
        assert!(unknown.contains("requires"), "{unknown}");
    }
}
