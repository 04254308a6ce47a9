//! What stands before several nodes: passes connections on to those that are in.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// Passes each connection on to the next node that is in and takes it.
pub(crate) struct Balancer {
    pub(crate) address: SocketAddr,
    nodes: Arc<Mutex<Vec<(u16, bool)>>>,
}

impl Balancer {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let nodes: Arc<Mutex<Vec<(u16, bool)>>> = Arc::default();
        let turn = Arc::new(AtomicUsize::new(0));
        tokio::spawn({
            let nodes = Arc::clone(&nodes);
            async move {
                while let Ok((mut client, _)) = listener.accept().await {
                    let (nodes, turn) = (Arc::clone(&nodes), Arc::clone(&turn));
                    tokio::spawn(async move {
                        if let Some(mut node) = connect(&nodes, &turn).await {
                            // Whichever side breaks off, both are closed.
                            let _ = copy_bidirectional(&mut client, &mut node).await;
                        }
                    });
                }
            }
        });
        Self { address, nodes }
    }

    pub(crate) fn add(&self, port: u16) {
        self.nodes.lock().unwrap().push((port, true));
    }

    /// Whether new connections go to a node, as a health check would say.
    pub(crate) fn set_in(&self, port: u16, is_in: bool) {
        for node in self.nodes.lock().unwrap().iter_mut().filter(|node| node.0 == port) {
            node.1 = is_in;
        }
    }
}

async fn connect(nodes: &Mutex<Vec<(u16, bool)>>, turn: &AtomicUsize) -> Option<TcpStream> {
    let ports: Vec<u16> =
        nodes.lock().unwrap().iter().filter(|node| node.1).map(|node| node.0).collect();
    let first = turn.fetch_add(1, Ordering::Relaxed);
    for n in 0..ports.len() {
        let port = ports[(first + n) % ports.len()];
        if let Ok(stream) = TcpStream::connect(("127.0.0.1", port)).await {
            return Some(stream);
        }
    }
    None
}
