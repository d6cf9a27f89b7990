//! SIGTERM and SIGINT.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// What a shell reports of a program that SIGINT ended.
pub(super) const INTERRUPTED: u8 = 130;

/// A token that the first SIGTERM or SIGINT cancels. The second one ends the process, for those who
/// do not want to wait until the clients have gone.
///
/// # Errors
///
/// When the signals cannot be listened to.
pub(super) fn stop_signal() -> io::Result<CancellationToken> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let token = CancellationToken::new();
    let cancel = token.clone();
    tokio::spawn(async move {
        either(&mut terminate, &mut interrupt).await;
        tracing::info!("stopping");
        cancel.cancel();
        either(&mut terminate, &mut interrupt).await;
        std::process::exit(INTERRUPTED.into());
    });
    Ok(token)
}

async fn either(terminate: &mut Signal, interrupt: &mut Signal) {
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
}
