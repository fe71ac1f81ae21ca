//! Prints what minting and verifying cost with each algorithm: `cargo run --release -p prokura-jose --example cost`.

use prokura_domain::{ActingFor, Scopes, Standing, Subject, Timestamp};
use prokura_jose::{AccessToken, Algorithm, SigningKey, TokenMinter, TokenVerifier};
use std::{error::Error, hint::black_box, io::Write, sync::Arc, time::Instant};

const NOW: Timestamp = Timestamp::from_seconds(1_760_000_000);

fn main() -> Result<(), Box<dyn Error>> {
    for algorithm in Algorithm::ALL {
        measure(*algorithm)?;
    }
    Ok(())
}

fn measure(algorithm: Algorithm) -> Result<(), Box<dyn Error>> {
    let key = Arc::new(SigningKey::generate(algorithm, "k1".parse()?)?);
    let issuer: Arc<str> = "http://127.0.0.1:8400/t/acme".into();
    let minter = TokenMinter::new(key.clone(), issuer.clone(), issuer.clone());
    let verifier = |capacity| -> Result<_, Box<dyn Error>> {
        let verifier = TokenVerifier::new(capacity);
        let names = vec![prokura_jose::Names::native(issuer.clone(), issuer.clone())];
        verifier.set_keys("acme".parse()?, names, vec![key.public().clone()]);
        Ok(verifier)
    };
    let (forgetful, remembering) = (verifier(0)?, verifier(100)?);
    let access_token = access_token(issuer.clone())?;
    let text = minter.mint(&access_token)?;
    let message = vec![b'x'; text.len()];
    let signature = key.sign(&message)?;

    per(&format!("{algorithm} sign alone"), 2_000, || key.sign(&message).is_ok())?;
    per(&format!("{algorithm} mint"), 2_000, || minter.mint(&access_token).is_ok())?;
    per(&format!("{algorithm} verify alone"), 2_000, || key.public().verify(&message, &signature))?;
    per(&format!("{algorithm} verify, first time"), 2_000, || forgetful.verify(&text, NOW).is_ok())?;
    per(&format!("{algorithm} verify, cached"), 1_000_000, || remembering.verify(&text, NOW).is_ok())
}

/// Prints the mean time of one run; work that fails is not worth timing.
fn per(what: &str, count: u32, work: impl Fn() -> bool) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    for _ in 0..count {
        if !black_box(work()) {
            return Err(format!("{what}: failed").into());
        }
    }
    let micros = started.elapsed().as_secs_f64() * 1e6 / f64::from(count);
    writeln!(std::io::stdout(), "{what}: {micros:.3} µs")?;
    Ok(())
}

/// Anna's token of five minutes, as large as an ordinary one.
fn access_token(issuer: Arc<str>) -> Result<AccessToken, Box<dyn Error>> {
    Ok(AccessToken {
        audience: issuer.clone().into(),
        issuer,
        subject: "anna".to_owned(),
        id: "jti1".parse()?,
        issued_at: NOW,
        expires_at: NOW.plus_seconds(300),
        bound_to: None,
        actors: Vec::new(),
        standing: Standing {
            tenant: "acme".parse()?,
            site: Some("main".parse()?),
            client: "web".parse()?,
            subject: Subject::Customer("anna".parse()?),
            acting_for: Some(ActingFor {
                legal_entity: "E1".parse()?,
                assignment: "A1".parse()?,
                grant: "G1".parse()?,
            }),
            scopes: Scopes::parse("cart.write order.read")?,
            segments: vec!["S1".parse()?, "S2".parse()?],
            has_more_segments: false,
            session: Some("session1".parse()?),
            visitor: None,
            family: Some("family1".parse()?),
            epoch: 3,
            authenticated_at: Some(NOW),
            is_multi_factor: false,
            is_entity_locked: false,
            is_scope_limited: false,
        },
    })
}
