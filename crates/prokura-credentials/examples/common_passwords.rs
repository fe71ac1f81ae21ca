//! Makes `assets/common-passwords.bin` from a list of passwords on standard input, the most common first, one a line:
//! `cargo run -p prokura-credentials --example common_passwords < list > crates/prokura-credentials/assets/common-passwords.bin`.

use std::{
    collections::BTreeSet,
    io::{self, BufRead as _, Write as _},
};

/// How many of them count.
const MOST: usize = 100_000;

fn main() -> io::Result<()> {
    let mut entries = BTreeSet::new();
    for line in io::stdin().lock().lines().take(MOST) {
        let folded = prokura_credentials::normalized(line?.trim_end_matches('\r')).to_lowercase();
        entries.insert(prokura_credentials::listed_as(&folded));
    }
    let bytes: Vec<u8> = entries.into_iter().flatten().collect();
    io::stdout().lock().write_all(&bytes)
}
