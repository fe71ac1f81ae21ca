//! The configuration: flags over environment over one TOML file over defaults. A key nobody knows is an error that
//! names it. The annotated reference is `prokura.example.toml`, generated from here.

use anyhow::{Context as _, bail};
use prokura_engine::{DatabaseConfig, MailTransport};
use prokura_gateway::GatewayConfig;
use prokura_http::{IpPrefix, Rate, Rates, server::Tls};
use prokura_jose::{MasterKey, Secret};
use serde::Deserialize;
use std::{
    fmt, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

/// What the file is called when none is named and it lies in the working folder.
pub const DEFAULT_FILE: &str = "prokura.toml";
/// How environment variables begin; levels are separated by two underscores, as `PROKURA__SERVER__LISTEN`.
pub const ENV_PREFIX: &str = "PROKURA__";

/// The whole configuration.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The public port.
    pub server: ServerConfig,
    /// Where data is.
    pub database: StoreConfig,
    /// The key that seals secrets at rest.
    pub master_key: MasterKeyConfig,
    /// Password hashing.
    pub passwords: PasswordConfig,
    /// How many requests are taken.
    pub limits: LimitsConfig,
    /// How mails leave.
    pub mail: MailConfig,
    /// Which addresses of others are called.
    pub outbound: OutboundConfig,
    /// The port of the gateway, and its routes.
    pub gateway: GatewaySection,
    /// The port of the administration API.
    pub admin: AdminConfig,
    /// The port of the metrics.
    pub metrics: MetricsConfig,
    /// Logging.
    pub log: LogConfig,
}

/// The public port.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ServerConfig {
    /// Where to listen. Loopback unless told otherwise; TLS is the job of a proxy in front.
    pub listen: SocketAddr,
    /// The origin people and programs reach this server by; issuers, links and mails are built from it alone.
    pub public_url: String,
    /// Further host names this server answers to, besides that of `public_url`.
    pub hosts: Vec<String>,
    /// Proxies (addresses or ranges) whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
    /// The certificate of the public port with its chain, in PEM; with it the port speaks TLS.
    pub tls_certificate: Option<PathBuf>,
    /// The key of that certificate, in PEM.
    pub tls_key: Option<PathBuf>,
    /// What gateways on other machines present to read keys and revocations. Empty: the feed is closed.
    pub gateway_secret: Hidden,
    /// A file with the same.
    pub gateway_secret_file: Option<PathBuf>,
}

/// Where data is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StoreConfig {
    /// `sqlite:PATH` for one node, or `postgresql://…` for any number.
    pub url: Hidden,
    /// A file with the same.
    pub url_file: Option<PathBuf>,
    /// Connections that read beside the one that writes (SQLite).
    pub read_connections: usize,
    /// The most connections of this node (PostgreSQL).
    pub pool_size: usize,
    /// How long one statement may take, in milliseconds (PostgreSQL).
    pub statement_deadline_milliseconds: u64,
    /// How long access tokens may be decided about without hearing from the database, in seconds; 0 stands for two
    /// missed readings of the revocation feed.
    pub stale_seconds: u32,
}

/// The key that seals secrets at rest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MasterKeyConfig {
    /// A file with 32 bytes in base64, readable by its owner alone. Made at the first start when it is not there.
    pub file: PathBuf,
    /// The key itself, in base64; for environments that hand secrets in as variables. Wins over the file.
    pub value: Hidden,
    /// Files of keys from before; what they sealed can still be opened.
    pub previous_files: Vec<PathBuf>,
}

/// Password hashing.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PasswordConfig {
    /// Hashes at once; 0 for the number of cores.
    pub workers: usize,
    /// A file of leaked passwords that nobody may choose on the pages: SHA-1 in upper-case hexadecimal, one a line, sorted,
    /// each perhaps with `:` and a count. It is searched where it lies.
    pub leaked_file: Option<PathBuf>,
}

/// How mails leave.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MailConfig {
    /// `folder` writes each mail to a file, `smtp` sends it, `none` keeps it in the outbox.
    pub transport: String,
    /// The folder of `folder`.
    pub folder: PathBuf,
    /// `smtp://user:password@host:587?tls=required`, of `smtp`.
    pub smtp_url: Hidden,
    /// A file with the same.
    pub smtp_url_file: Option<PathBuf>,
}

/// Which addresses of others are called: those clients register for back-channel logout.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OutboundConfig {
    /// Networks (addresses or ranges) besides the open internet.
    pub networks: Vec<String>,
}

/// The gateway inside `prokura serve`, or alone as `prokura gateway`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GatewaySection {
    /// Where to listen; without it `prokura serve` runs no gateway.
    pub listen: Option<SocketAddr>,
    /// Routes and headers.
    pub policy: GatewayConfig,
}

/// The port of the administration API.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AdminConfig {
    /// Where it is served, and then nowhere else; without it on the public port.
    pub listen: Option<SocketAddr>,
}

/// The port of the metrics.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MetricsConfig {
    /// Where `/metrics` is served; without it nowhere.
    pub listen: Option<SocketAddr>,
}

/// Logging.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LogConfig {
    /// `json` or `text`.
    pub format: String,
    /// What is logged, as `info` or `info,prokura::access=debug`.
    pub filter: String,
}

/// A value that is never printed.
#[derive(Clone, Default, Deserialize)]
#[serde(transparent)]
pub struct Hidden(String);

impl Hidden {
    /// The value.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn or_file(&self, file: Option<&Path>, key: &str) -> anyhow::Result<String> {
        match file {
            Some(_) if !self.0.is_empty() => bail!("{key} and {key}_file are both set: keep one"),
            Some(path) => {
                let text = fs::read_to_string(path)
                    .with_context(|| format!("{key}_file: {} cannot be read", path.display()))?;
                Ok(text.trim_end().to_owned())
            }
            None => Ok(self.0.clone()),
        }
    }
}

impl From<String> for Hidden {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "\"\"" } else { "[redacted]" })
    }
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 8400)),
            public_url: "http://127.0.0.1:8400".to_owned(),
            hosts: Vec::new(),
            trusted_proxies: Vec::new(),
            tls_certificate: None,
            tls_key: None,
            gateway_secret: Hidden::default(),
            gateway_secret_file: None,
        }
    }
}

impl Default for StoreConfig {
    fn default() -> Self {
        Self {
            url: Hidden("sqlite:./prokura-data/prokura.db".to_owned()),
            url_file: None,
            read_connections: 4,
            pool_size: 16,
            statement_deadline_milliseconds: 5_000,
            stale_seconds: 30,
        }
    }
}

impl Default for MasterKeyConfig {
    fn default() -> Self {
        Self { file: PathBuf::from("./prokura-data/master.key"), value: Hidden::default(), previous_files: Vec::new() }
    }
}

/// How many requests a second are taken, and how many at once after a pause; by each node for itself. 0 a second stands
/// for no bound.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitsConfig {
    /// Of an address (an IPv6 /64); loopback and trusted proxies have no bound.
    pub address_per_second: u32,
    /// At once.
    pub address_burst: u32,
    /// To a tenant, by everybody.
    pub tenant_per_second: u32,
    /// At once.
    pub tenant_burst: u32,
    /// Of a client of a tenant.
    pub client_per_second: u32,
    /// At once.
    pub client_burst: u32,
}

impl Default for LimitsConfig {
    fn default() -> Self {
        Self {
            address_per_second: 500,
            address_burst: 5_000,
            tenant_per_second: 50_000,
            tenant_burst: 200_000,
            client_per_second: 40_000,
            client_burst: 160_000,
        }
    }
}

impl LimitsConfig {
    /// As the edges take them.
    pub fn rates(self) -> Rates {
        let rate = |per_second, burst| Rate { per_second, burst };
        Rates {
            address: rate(self.address_per_second, self.address_burst),
            tenant: rate(self.tenant_per_second, self.tenant_burst),
            client: rate(self.client_per_second, self.client_burst),
        }
    }
}

impl Default for MailConfig {
    fn default() -> Self {
        Self {
            transport: "folder".to_owned(),
            folder: PathBuf::from("./prokura-data/mail"),
            smtp_url: Hidden::default(),
            smtp_url_file: None,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        Self { format: "text".to_owned(), filter: "info".to_owned() }
    }
}

impl Config {
    /// Reads the file (`None`: `prokura.toml` where it is) and lays the environment over it.
    ///
    /// # Errors
    /// A file that cannot be read, a key nobody knows, a value that does not fit: each named.
    pub fn load(file: Option<&Path>) -> anyhow::Result<Self> {
        let text = match file {
            Some(path) => fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?,
            None if Path::new(DEFAULT_FILE).exists() => fs::read_to_string(DEFAULT_FILE)?,
            None => String::new(),
        };
        let name = file.map_or_else(|| DEFAULT_FILE.to_owned(), |path| path.display().to_string());
        Self::parse(&text, &name, std::env::vars())
    }

    /// The same from a text and a list of variables.
    ///
    /// # Errors
    /// As [`Config::load`].
    pub fn parse(text: &str, name: &str, environment: impl Iterator<Item = (String, String)>) -> anyhow::Result<Self> {
        // Read once for its own sake, so that a mistake is shown with its line.
        toml::from_str::<Self>(text).with_context(|| format!("{name} is not right"))?;
        let mut table: toml::Table = toml::from_str(text)?;
        for (variable, value) in environment {
            let Some(path) = variable.strip_prefix(ENV_PREFIX) else { continue };
            let keys: Vec<String> = path.split("__").map(str::to_ascii_lowercase).collect();
            lay_over(&mut table, &keys, &value).with_context(|| format!("the environment variable {variable}"))?;
        }
        let config: Self = toml::Value::Table(table)
            .try_into()
            .context("the configuration with its environment variables is not right")?;
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> anyhow::Result<()> {
        let url = &self.server.public_url;
        if !(url.starts_with("https://") || url.starts_with("http://"))
            || url.ends_with('/')
            || url.contains(['?', '#', ' '])
        {
            bail!(
                "server.public_url must be an origin such as https://id.example, without a slash at the end, not {url:?}"
            );
        }
        if self.server.tls_certificate.is_some() != self.server.tls_key.is_some() {
            bail!("server.tls_certificate and server.tls_key go together");
        }
        if self.server.tls_certificate.is_some() && !url.starts_with("https://") {
            bail!("server.public_url must begin with https:// when the port speaks TLS, not {url:?}");
        }
        for prefix in &self.server.trusted_proxies {
            prefix.parse::<IpPrefix>().map_err(|error| anyhow::anyhow!("server.trusted_proxies: {error}"))?;
        }
        self.outbound_networks()?;
        if !matches!(self.log.format.as_str(), "json" | "text") {
            bail!("log.format must be json or text, not {:?}", self.log.format);
        }
        if !matches!(self.mail.transport.as_str(), "folder" | "smtp" | "none") {
            bail!("mail.transport must be folder, smtp or none, not {:?}", self.mail.transport);
        }
        self.mail()?;
        self.database()?;
        Ok(())
    }

    /// The way mails leave.
    ///
    /// # Errors
    /// `smtp` without a URL, or a file that cannot be read.
    pub fn mail(&self) -> anyhow::Result<MailTransport> {
        match self.mail.transport.as_str() {
            "folder" => Ok(MailTransport::Folder(self.mail.folder.clone())),
            "smtp" => {
                let url = self.mail.smtp_url.or_file(self.mail.smtp_url_file.as_deref(), "mail.smtp_url")?;
                if url.is_empty() {
                    bail!("mail.transport is smtp, so mail.smtp_url or mail.smtp_url_file must be set");
                }
                Ok(MailTransport::Smtp { url: Secret::from(url) })
            }
            _ => Ok(MailTransport::Nowhere),
        }
    }

    /// Networks besides the open internet that are called.
    ///
    /// # Errors
    /// What is no address and no range.
    pub fn outbound_networks(&self) -> anyhow::Result<Vec<IpPrefix>> {
        let read = |text: &String| text.parse().map_err(|error| anyhow::anyhow!("outbound.networks: {error}"));
        self.outbound.networks.iter().map(read).collect()
    }

    /// The database to open.
    ///
    /// # Errors
    /// A URL that is neither SQLite's nor PostgreSQL's.
    pub fn database(&self) -> anyhow::Result<DatabaseConfig> {
        let url = self.database.url.or_file(self.database.url_file.as_deref(), "database.url")?;
        let url =
            if self.database.url_file.is_some() && url.is_empty() { bail!("database.url_file is empty") } else { url };
        if let Some(path) = url.strip_prefix("sqlite:") {
            return Ok(DatabaseConfig::Sqlite {
                path: PathBuf::from(path),
                read_connections: self.database.read_connections.max(1),
            });
        }
        if url.starts_with("postgresql://") || url.starts_with("postgres://") {
            return Ok(DatabaseConfig::Postgres {
                url,
                pool_size: self.database.pool_size.max(1),
                statement_deadline: Duration::from_millis(self.database.statement_deadline_milliseconds.max(1)),
            });
        }
        bail!("database.url must begin with sqlite: or postgresql://")
    }

    /// The master key, made at the first start.
    ///
    /// # Errors
    /// A key that cannot be read, or a file that others can read.
    pub fn master_key(&self) -> anyhow::Result<MasterKey> {
        let entropy = prokura_engine::SystemEntropy::default();
        let key = if self.master_key.value.0.is_empty() {
            MasterKey::load_or_create(&self.master_key.file, &entropy)
                .with_context(|| format!("the master key {}", self.master_key.file.display()))?
        } else {
            MasterKey::from_base64(&self.master_key.value.0).context("master_key.value")?
        };
        let mut previous = Vec::new();
        for file in &self.master_key.previous_files {
            let text = fs::read_to_string(file).with_context(|| format!("the master key {}", file.display()))?;
            previous.push(
                MasterKey::from_base64(text.trim()).with_context(|| format!("the master key {}", file.display()))?,
            );
        }
        Ok(key.with_previous(previous))
    }

    /// What gateways elsewhere present; `None` keeps the feed closed.
    ///
    /// # Errors
    /// A file that cannot be read, a secret too short to be one.
    pub fn gateway_secret(&self) -> anyhow::Result<Option<Secret>> {
        let text =
            self.server.gateway_secret.or_file(self.server.gateway_secret_file.as_deref(), "server.gateway_secret")?;
        match text.len() {
            0 => Ok(None),
            1..32 => bail!("server.gateway_secret must have at least 32 characters"),
            _ => Ok(Some(Secret::from(text))),
        }
    }

    /// The certificate of the public port, when it speaks TLS.
    ///
    /// # Errors
    /// Files that cannot be used, each named.
    pub fn tls(&self) -> anyhow::Result<Option<Tls>> {
        match (&self.server.tls_certificate, &self.server.tls_key) {
            (Some(certificate), Some(key)) => Ok(Some(Tls::from_files(certificate, key).context("server.tls")?)),
            _ => Ok(None),
        }
    }

    /// Password hashes at once.
    pub fn hash_workers(&self) -> usize {
        match self.passwords.workers {
            0 => std::thread::available_parallelism().map_or(2, std::num::NonZero::get),
            workers => workers,
        }
    }

    /// The host names the public port answers to.
    pub fn hosts(&self) -> Vec<String> {
        let own = self.server.public_url.split("://").nth(1).unwrap_or_default();
        let own = own.strip_prefix('[').map_or_else(
            || own.rsplit_once(':').map_or(own, |(name, _)| name),
            |v6| v6.split(']').next().unwrap_or_default(),
        );
        std::iter::once(own).chain(self.server.hosts.iter().map(String::as_str)).map(str::to_ascii_lowercase).collect()
    }
}

/// Sets one value by its path. Numbers and booleans are read as such where that is possible; a list is given in TOML.
fn lay_over(table: &mut toml::Table, keys: &[String], value: &str) -> anyhow::Result<()> {
    let Some((last, path)) = keys.split_last().filter(|(last, _)| !last.is_empty()) else { bail!("names no key") };
    let mut table = table;
    for key in path {
        let entry = table.entry(key.clone()).or_insert_with(|| toml::Value::Table(toml::Table::new()));
        table = entry.as_table_mut().with_context(|| format!("{key} is a value, not a section"))?;
    }
    let read = |text: &str| {
        toml::from_str::<toml::Table>(&format!("value = {text}")).ok().and_then(|mut read| read.remove("value"))
    };
    let is_literal = value.starts_with('[') || value == "true" || value == "false" || value.parse::<i64>().is_ok();
    let parsed = if is_literal { read(value) } else { None };
    table.insert(last.clone(), parsed.unwrap_or_else(|| toml::Value::String(value.to_owned())));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str, variables: &[(&str, &str)]) -> anyhow::Result<Config> {
        Config::parse(
            text,
            "test.toml",
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
        )
    }

    #[test]
    fn a_key_nobody_knows_is_an_error_with_its_name() {
        let error = format!("{:#}", parse("[server]\nlisten_on = \"x\"", &[]).unwrap_err());
        assert!(error.contains("listen_on") && error.contains("line 2"), "{error}");
        let error = format!("{:#}", parse("", &[("PROKURA__SERVER__LISTEN_ON", "x")]).unwrap_err());
        assert!(error.contains("listen_on"), "{error}");
    }

    #[test]
    fn the_reference_is_the_default() {
        let reference = parse(include_str!("commands/reference.toml"), &[]).unwrap();
        assert_eq!(format!("{reference:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let text = "[server]\nlisten = \"127.0.0.1:1\"\n[passwords]\nworkers = 3";
        let variables =
            [("PROKURA__SERVER__LISTEN", "127.0.0.1:2"), ("PROKURA__PASSWORDS__WORKERS", "5"), ("OTHER", "x")];
        let config = parse(text, &variables).unwrap();
        assert_eq!(config.server.listen.port(), 2);
        assert_eq!(config.hash_workers(), 5);
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = parse("[database]\nurl = \"postgresql://u:hunter2@h/d\"", &[]).unwrap();
        assert!(!format!("{config:?}").contains("hunter2"));
    }

    #[test]
    fn wrong_values_say_what_would_be_right() {
        for (text, expected) in [
            ("[server]\npublic_url = \"id.example\"", "https://id.example"),
            ("[database]\nurl = \"mysql://x\"", "sqlite: or postgresql://"),
            ("[log]\nformat = \"xml\"", "json or text"),
            ("[server]\ntrusted_proxies = [\"ten\"]", "10.0.0.0/8"),
            ("[outbound]\nnetworks = [\"ten\"]", "outbound.networks"),
        ] {
            let error = format!("{:#}", parse(text, &[]).unwrap_err());
            assert!(error.contains(expected), "{error}");
        }
    }
}
