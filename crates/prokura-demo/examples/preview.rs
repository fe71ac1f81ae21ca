//! Serves the storefronts with the sample data against a scripted Prokura, to look at pages while working on them:
//! `cargo run -p prokura-demo --example preview`. Nothing is kept.

#[path = "../tests/it/fake.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "it belongs to the tests")]
mod fake;
#[path = "../tests/it/hybrid_fake.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "it belongs to the tests")]
mod hybrid_fake;

use axum::Router;
use jiff::Timestamp;
use prokura_demo::{data, hybrid, storefront};

#[tokio::main]
async fn main() {
    let fake = fake::Fake::start().await;
    let sample_logins = vec![data::BUYER, data::GROUP_BUYER, data::OWNER, data::PRIVATE_PERSON];
    let storefront = storefront::router(storefront::StorefrontConfig {
        mails_path: None,
        sample_logins: sample_logins.clone(),
        ..fake.storefront_config()
    });
    let fake = hybrid_fake::HybridFake::start().await;
    let now = Timestamp::now().as_second();
    fake.advance(now - 1_800_000_000);
    let hybrid = hybrid::router(hybrid::HybridConfig { sample_logins, ..fake.config() });
    tokio::join!(serve("127.0.0.1:8409", storefront), serve("127.0.0.1:8410", hybrid));
}

async fn serve(address: &str, router: Router) {
    let listener = tokio::net::TcpListener::bind(address).await.expect("the port is free");
    #[expect(clippy::print_stdout, reason = "a program for the terminal")]
    {
        println!("http://{address}");
    }
    axum::serve(listener, router).await.expect("serving goes on");
}
