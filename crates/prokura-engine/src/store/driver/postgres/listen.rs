//! A connection of its own that hears notifications, made anew whenever it breaks.

use super::super::{Notification, StoreError, error::Reason};
use super::{
    fault::translate,
    tls::{Encrypted, Tls},
};
use futures_util::future::poll_fn;
use std::{future::Future, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, mpsc::error::TrySendError, watch},
    time::{sleep, timeout},
};
use tokio_postgres::{AsyncMessage, Client, Config, Connection, Error, Socket};

/// How many payloads wait for a receiver before we rather tell it to look into the tables.
const QUEUE: usize = 1024;

/// How long connecting and listening, or a sign of life, may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// How often a quiet connection is asked for a sign of life.
const IDLE: Duration = Duration::from_secs(20);

/// Pauses between attempts double from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Listens until the receiver is dropped or `closing` speaks.
pub(super) fn spawn(
    config: Arc<Config>,
    tls: Tls,
    mut closing: watch::Receiver<bool>,
    channel: &'static str,
) -> mpsc::Receiver<Notification> {
    let (sender, receiver) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let work = async {
            let mut pause = FIRST_PAUSE;
            loop {
                let mut has_listened = false;
                if let Err(error) = listen(&config, &tls, channel, &sender, &mut has_listened).await {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, channel, "the listener lost its connection");
                }
                pause = if has_listened { FIRST_PAUSE } else { LAST_PAUSE.min(pause * 2) };
                sleep(pause).await;
            }
        };
        tokio::select! {
            _ = closing.wait_for(|is_closing| *is_closing) => (),
            () = sender.closed() => (),
            () = work => (),
        }
    });
    receiver
}

/// Listens until the connection breaks.
async fn listen(
    config: &Config,
    tls: &Tls,
    channel: &str,
    sender: &mpsc::Sender<Notification>,
    has_listened: &mut bool,
) -> Result<(), StoreError> {
    let (client, connection) = in_time(config.connect(tls.clone())).await?;
    tokio::select! {
        outcome = hear(connection, sender) => outcome,
        outcome = stay(&client, channel, sender, has_listened) => outcome,
    }
}

/// Moves payloads to the receiver. Does not wait for it: the server keeps what a slow listener has not read.
async fn hear(
    mut connection: Connection<Socket, Encrypted>,
    sender: &mpsc::Sender<Notification>,
) -> Result<(), StoreError> {
    while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
        if let AsyncMessage::Notification(notification) = message.map_err(translate)? {
            match sender.try_send(Notification::Payload(notification.payload().to_owned())) {
                Ok(()) | Err(TrySendError::Closed(_)) => (),
                // Begin anew, and with it comes a gap.
                Err(TrySendError::Full(_)) => return Err(lost("the listener is slower than its notifications")),
            }
        }
    }
    Err(lost("the server closed the connection"))
}

async fn stay(
    client: &Client,
    channel: &str,
    sender: &mpsc::Sender<Notification>,
    has_listened: &mut bool,
) -> Result<(), StoreError> {
    in_time(client.batch_execute(&format!("LISTEN \"{}\"", channel.replace('"', "\"\"")))).await?;
    *has_listened = true;
    // Only now: whoever looks into the tables because of it misses nothing that comes after.
    if sender.send(Notification::Gap).await.is_err() {
        return Ok(());
    }
    loop {
        sleep(IDLE).await;
        in_time(client.batch_execute("")).await?;
    }
}

async fn in_time<T>(work: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
    timeout(DEADLINE, work).await.map_err(|_| StoreError::Timeout)?.map_err(translate)
}

fn lost(reason: &str) -> StoreError {
    StoreError::unavailable(Reason(reason.to_owned()))
}
