//! Serves the storefront with the sample data against a scripted Prokura, to look at pages while working on them:
//! `cargo run -p prokura-demo --example preview`. Nothing is kept.

#[path = "../tests/it/fake.rs"]
#[expect(dead_code, clippy::unwrap_used, clippy::indexing_slicing, reason = "it belongs to the tests")]
mod fake;

use prokura_demo::{data, storefront};

#[tokio::main]
async fn main() {
    let fake = fake::Fake::start().await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8409").await.expect("port 8409 is free");
    #[expect(clippy::print_stdout, reason = "a program for the terminal")]
    {
        println!("http://{}", listener.local_addr().expect("it is bound"));
    }
    let router = storefront::router(storefront::StorefrontConfig {
        mails_path: None,
        sample_logins: vec![data::BUYER, data::GROUP_BUYER, data::OWNER, data::PRIVATE_PERSON],
        ..fake.storefront_config()
    });
    axum::serve(listener, router).await.expect("serving goes on");
}
