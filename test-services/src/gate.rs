//! A gate in the way to a server, which a test shuts in different ways.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What happens to those who come through a [`Gate`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Passage {
    /// They reach the server.
    Open,
    /// Whatever they ask a Redis to do, this is the answer to each command.
    Answers(&'static str),
    /// They are let in, and hear nothing. Those who are through hear nothing more either, also
    /// when the gate opens again.
    Silent,
}

/// A gate in the way to a server: clients connect to it instead.
pub struct Gate {
    port: u16,
    passage: watch::Sender<Passage>,
    /// Those who heard nothing stay connected.
    silent: Arc<Mutex<Vec<TcpStream>>>,
}

impl Gate {
    /// An open gate to the server at a port of this machine.
    ///
    /// # Panics
    /// Where there is no port to listen at.
    pub async fn before(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (passage, states) = watch::channel(Passage::Open);
        let silent = Arc::new(Mutex::default());
        let kept = Arc::clone(&silent);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(pass(client, server, states.clone(), Arc::clone(&kept)));
            }
        });
        Self { port, passage, silent }
    }

    /// The port it listens at.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Changes what happens to those who come, and ends what others were through for.
    pub fn set(&self, passage: Passage) {
        self.passage.send_replace(passage);
    }

    /// How many heard nothing.
    ///
    /// # Panics
    /// Where another user of it has.
    pub fn silenced(&self) -> usize {
        self.silent.lock().unwrap().len()
    }
}

async fn pass(
    mut client: TcpStream,
    server: u16,
    mut states: watch::Receiver<Passage>,
    silent: Arc<Mutex<Vec<TcpStream>>>,
) {
    let passage = *states.borrow_and_update();
    match passage {
        Passage::Open => {
            let Ok(mut there) = TcpStream::connect(("127.0.0.1", server)).await else { return };
            tokio::select! {
                _ = copy_bidirectional(&mut client, &mut there) => return,
                _ = states.changed() => {}
            }
        }
        Passage::Answers(answer) => {
            let mut said = [0; 4096];
            let answering = async {
                while let Ok(length @ 1..) = client.read(&mut said).await {
                    // Each command begins with one; none that is sent to greet has another.
                    let commands = said[..length].iter().filter(|byte| **byte == b'*').count();
                    if client.write_all(answer.repeat(commands).as_bytes()).await.is_err() {
                        break;
                    }
                }
            };
            tokio::select! {
                () = answering => return,
                _ = states.changed() => {}
            }
        }
        Passage::Silent => {}
    }
    if *states.borrow() == Passage::Silent {
        silent.lock().unwrap().push(client);
    }
}
