//! The command line: noun and verb, text for people and JSON for programs.

mod clients;
mod nouns;

pub use clients::{ClientCommand, Kind, Method, Policy, Profile, Registers};
pub use nouns::{
    AdminCommand, AssignmentCommand, AuditCommand, CustomerCommand, EntityCommand, KeysCommand, TenantCommand,
    TenantFlag,
};

use clap::{Args, Parser, Subcommand, ValueEnum};
use std::{net::SocketAddr, path::PathBuf};

/// Prokura: identity and tokens for B2B commerce. Who is here, for which company, and by what right.
#[derive(Debug, Parser)]
#[command(name = "prokura", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What every command understands.
#[derive(Args, Clone, Debug)]
pub struct Global {
    /// The configuration file [default: prokura.toml, where it is].
    #[arg(long, global = true, env = "PROKURA_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Keep database, master key and mails in this folder, whatever the configuration says.
    #[arg(long, global = true, env = "PROKURA_DATA", value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How to answer.
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}

/// How a command answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run a node: the identity server, and the gateway where it is configured.
    Serve {
        /// Where to listen, whatever the configuration says.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Run a gateway alone, fed by a server elsewhere.
    Gateway {
        /// The server's origin, as `https://id.example`.
        #[arg(long, env = "PROKURA_SERVER", value_name = "URL")]
        server: String,
        /// Where to listen, whatever the configuration says.
        #[arg(long)]
        listen: Option<SocketAddr>,
    },
    /// Run everything with sample data: identity, gateway, a shop and its storefronts.
    Demo {
        /// The port of the identity server.
        #[arg(long, default_value_t = 8400)]
        port: u16,
        /// The port of the gateway with the storefronts.
        #[arg(long, default_value_t = 8401)]
        gateway_port: u16,
        /// Take companies, customers, products and orders from this folder instead of the sample data.
        #[arg(long, value_name = "DIR")]
        import: Option<PathBuf>,
    },
    /// Take companies, customers, assignments and segments in from a folder of CSV or JSON Lines files.
    Import {
        /// The folder.
        folder: PathBuf,
        /// The tenant they belong to; made when it is not there.
        #[arg(long, default_value = "demo", value_name = "ID")]
        tenant: String,
    },
    /// Operators: the people and programs that run this installation.
    #[command(subcommand)]
    Admin(AdminCommand),
    /// Tenants.
    #[command(subcommand)]
    Tenant(TenantCommand),
    /// Clients: applications that ask for tokens.
    #[command(subcommand)]
    Client(ClientCommand),
    /// Customers.
    #[command(subcommand)]
    Customer(CustomerCommand),
    /// Legal entities: companies and subsidiaries.
    #[command(subcommand)]
    Entity(EntityCommand),
    /// Contact assignments: who may act for which legal entity.
    #[command(subcommand)]
    Assignment(AssignmentCommand),
    /// Signing keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The audit trail.
    #[command(subcommand)]
    Audit(AuditCommand),
    /// Bring the tables of the database up to date, and say at which version they are.
    Migrate,
    /// See whether a node could start here, and what would be wrong.
    Doctor,
    /// Write a consistent copy of the embedded database, encrypted with the master key. A node may be running on it.
    Backup {
        /// The file to write; must not exist.
        file: PathBuf,
    },
    /// Put a backup in the place of the database. Tokens and sessions from before it are not good any more.
    Restore {
        /// The file to read.
        #[arg(required_unless_present = "mark")]
        file: Option<PathBuf>,
        /// The database was restored already, by its own tools as with PostgreSQL: only end what was handed out before.
        #[arg(long, conflicts_with = "file")]
        mark: bool,
    },
    /// Look at the configuration.
    Config {
        /// What about it.
        #[command(subcommand)]
        command: ConfigCommand,
    },
    /// Write what is generated from the code (for the project itself).
    #[command(hide = true)]
    Generate {
        /// Which one.
        what: Generated,
    },
}

/// What can be asked of the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Read it as a node would, and show it without its secrets.
    Check,
}

/// What is generated from the code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Generated {
    /// The description of the administration API.
    Openapi,
    /// The page of the commands.
    Cli,
    /// The annotated configuration.
    Config,
    /// The tables.
    Schema,
}
