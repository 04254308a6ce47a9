//! The door of the simulator: it listens, can be shut for a time, and opens at the same port.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use poem::Server;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};

use super::api::Api;
use super::lines::LineAcceptor;
use super::world::World;

/// What the door can be told.
pub(super) enum DoorCommand {
    /// Stop listening and cut all connections.
    Shut {
        /// Open again after this time; `None` waits to be told.
        reopen_after: Option<Duration>,
        /// Told when connecting has become impossible.
        shut: oneshot::Sender<()>,
    },
    /// Listen again.
    Open {
        /// Told when connecting has become possible.
        open: oneshot::Sender<()>,
    },
}

/// Serves until the simulator is shut down.
pub(super) async fn attend(
    world: Arc<World>,
    address: SocketAddr,
    listener: TcpListener,
    mut commands: mpsc::UnboundedReceiver<DoorCommand>,
) {
    let mut listener = Some(listener);
    let mut opened: Option<oneshot::Sender<()>> = None;
    while !world.shutdown.is_cancelled() {
        let Some(ready) = listen(&world, address, listener.take()).await else { return };
        if let Some(opened) = opened.take() {
            let _ = opened.send(());
        }
        let Some((reopen_after, shut)) = serve(&world, ready, &mut commands).await else { return };
        let _ = shut.send(());
        opened = wait_to_open(&world, reopen_after, &mut commands).await;
    }
}

type ShutOrder = (Option<Duration>, oneshot::Sender<()>);

/// Serves until told to shut the door; `None` means for good.
async fn serve(
    world: &Arc<World>,
    listener: TcpListener,
    commands: &mut mpsc::UnboundedReceiver<DoorCommand>,
) -> Option<ShutOrder> {
    let acceptor = match LineAcceptor::new(listener, Arc::clone(&world.lines)) {
        Ok(acceptor) => acceptor,
        Err(error) => {
            tracing::error!(%error, "the simulator cannot listen");
            return None;
        }
    };
    let mut order = None;
    let until_shut = async {
        loop {
            tokio::select! {
                () = world.shutdown.cancelled() => return,
                command = commands.recv() => match command {
                    Some(DoorCommand::Shut { reopen_after, shut }) => {
                        order = Some((reopen_after, shut));
                        return;
                    }
                    Some(DoorCommand::Open { open }) => { let _ = open.send(()); }
                    None => return,
                },
            }
        }
    };
    // No grace for open connections: they are cut, as when a process is killed.
    let served = Server::new_with_acceptor(acceptor)
        .run_with_graceful_shutdown(Api::new(Arc::clone(world)), until_shut, Some(Duration::ZERO))
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "the simulator stopped serving");
    }
    order
}

async fn wait_to_open(
    world: &World,
    reopen_after: Option<Duration>,
    commands: &mut mpsc::UnboundedReceiver<DoorCommand>,
) -> Option<oneshot::Sender<()>> {
    let pause = async {
        match reopen_after {
            Some(pause) => tokio::time::sleep(pause).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(pause);
    loop {
        tokio::select! {
            () = world.shutdown.cancelled() => return None,
            () = &mut pause => return None,
            command = commands.recv() => match command {
                Some(DoorCommand::Open { open }) => return Some(open),
                Some(DoorCommand::Shut { shut, .. }) => { let _ = shut.send(()); }
                None => return None,
            },
        }
    }
}

/// The listener at hand, or a new one at the same port. Somebody may sit on the port for a
/// moment, so binding is tried until it works.
async fn listen(
    world: &World,
    address: SocketAddr,
    listener: Option<TcpListener>,
) -> Option<TcpListener> {
    if listener.is_some() {
        return listener;
    }
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(error) => tracing::warn!(%error, "the simulator's port is taken, trying again"),
        }
        tokio::select! {
            () = world.shutdown.cancelled() => return None,
            () = tokio::time::sleep(Duration::from_millis(20)) => {}
        }
    }
}
