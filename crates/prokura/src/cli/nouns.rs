//! The nouns of the command line and what can be done with them. Passwords and secrets are read from standard input or
//! a file, never from an argument, which other users of the machine could see.

use clap::{Args, Subcommand};
use std::path::PathBuf;

/// Whose things.
#[derive(Args, Clone, Debug)]
pub struct TenantFlag {
    /// The tenant.
    #[arg(long, env = "PROKURA_TENANT", value_name = "ID")]
    pub tenant: String,
}

/// What can be done about operators.
#[derive(Debug, Subcommand)]
pub enum AdminCommand {
    /// Print the one-time secret to become the first operator with. It is good for an hour.
    Setup,
    /// Make an operator who runs everything, for the case that nobody has a token any more. Printed once, and audited.
    Recover {
        /// Their name.
        #[arg(long)]
        name: String,
    },
}

/// What can be done with tenants.
#[derive(Debug, Subcommand)]
pub enum TenantCommand {
    /// List them.
    List,
    /// Show one with its settings.
    Show {
        /// Its id.
        id: String,
    },
    /// Make one, with its first keys.
    Create {
        /// Its id: 3 to 16 lower-case letters and digits.
        id: String,
        /// Its name; the id when absent.
        #[arg(long)]
        name: Option<String>,
    },
    /// Close one: no token of it is good any more.
    Suspend {
        /// Its id.
        id: String,
    },
    /// Open one again.
    Resume {
        /// Its id.
        id: String,
    },
}

/// What can be done with customers.
#[derive(Debug, Subcommand)]
pub enum CustomerCommand {
    /// List them, or the one with an address.
    List {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Only the one with this address.
        #[arg(long)]
        email: Option<String>,
    },
    /// Make one.
    Create {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// What they log in with.
        #[arg(long)]
        email: String,
        /// Their id; a new number when absent.
        #[arg(long)]
        id: Option<String>,
        /// Given name.
        #[arg(long, default_value = "")]
        given_name: String,
        /// Family name.
        #[arg(long, default_value = "")]
        family_name: String,
        /// Read their password from this file, `-` for standard input; without it they set one by a link.
        #[arg(long, value_name = "FILE")]
        password_file: Option<PathBuf>,
    },
    /// Switch one off: every session ends.
    Disable {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Their id.
        id: String,
    },
    /// Switch one on again.
    Enable {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Their id.
        id: String,
    },
    /// Take the second factor from somebody who lost it; their sessions end. Nobody can read one.
    RemoveFactors {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Their id.
        id: String,
    },
    /// Delete one for good; the id is never used again.
    Delete {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Their id.
        id: String,
    },
}

/// What can be done with legal entities.
#[derive(Debug, Subcommand)]
pub enum EntityCommand {
    /// List them.
    List {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
    },
    /// Show one.
    Show {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its id.
        id: String,
    },
    /// Make one, with its predefined groups.
    Create {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its name.
        #[arg(long)]
        name: String,
        /// Its id; a new one when absent.
        #[arg(long)]
        id: Option<String>,
        /// What it belongs to; makes it a subsidiary.
        #[arg(long, value_name = "ID")]
        parent: Option<String>,
    },
}

/// What can be done with contact assignments.
#[derive(Debug, Subcommand)]
pub enum AssignmentCommand {
    /// List them.
    List {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Only those of this customer.
        #[arg(long, value_name = "ID")]
        customer: Option<String>,
        /// Only those for this legal entity.
        #[arg(long, value_name = "ID")]
        entity: Option<String>,
    },
    /// Let a customer act for a legal entity.
    Create {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Who.
        #[arg(long, value_name = "ID")]
        customer: String,
        /// For whom.
        #[arg(long, value_name = "ID")]
        entity: String,
        /// What they are to the company: PRIMARY, BILLING, LOGISTICS or CONTACT.
        #[arg(long, default_value = "CONTACT")]
        kind: String,
        /// Make them the one main person.
        #[arg(long)]
        primary: bool,
        /// The predefined group they are put into, as `B2B_BUYER`; nobody without a group has a company's scopes.
        #[arg(long)]
        group: Option<String>,
    },
    /// Take the right away; tokens that act by it end at once.
    Delete {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// The assignment's id.
        id: String,
    },
}

/// What can be done with signing keys.
#[derive(Debug, Subcommand)]
pub enum KeysCommand {
    /// List them.
    List {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
    },
    /// Publish the next key; it takes over once every verifier can have seen it.
    Rotate {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Let it sign at once, though verifiers that cache the key set refuse its tokens for a while.
        #[arg(long)]
        at_once: bool,
    },
    /// Take a key out of the published set.
    Retire {
        /// Whose.
        #[command(flatten)]
        of: TenantFlag,
        /// Its `kid`.
        id: String,
        /// Somebody else may have it: every token it signed is refused at once.
        #[arg(long)]
        compromised: bool,
    },
}

/// What can be done with the audit trail.
#[derive(Debug, Subcommand)]
pub enum AuditCommand {
    /// List entries, newest first.
    List {
        /// Whose; `installation` for what concerns operators.
        #[command(flatten)]
        of: TenantFlag,
        /// Only this verb, as assignment.delete.
        #[arg(long)]
        verb: Option<String>,
        /// The most entries.
        #[arg(long, default_value_t = 100)]
        limit: u32,
    },
    /// Verify the whole trail. Exit status 3 when something was altered, removed, reordered or cut off.
    Verify {
        /// Whose; `installation` for what concerns operators.
        #[command(flatten)]
        of: TenantFlag,
        /// A file kept elsewhere with the heads of earlier verifications: the trail must still hold the last one, and
        /// the head of today is appended.
        #[arg(long, value_name = "FILE")]
        head: Option<PathBuf>,
    },
}
