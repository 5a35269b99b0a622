//! [`Way`]: what lies between a site and PostgreSQL, and can be closed, or fall silent as a network does that is cut.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

/// A way to a server of PostgreSQL.
pub struct Way {
    /// The URL of the database along this way.
    pub url: String,
    address: SocketAddr,
    target: String,
    state: Arc<State>,
    serving: Option<JoinHandle<()>>,
}

/// Which connections carry what.
#[derive(Default)]
struct State {
    /// How many there were.
    made: AtomicUsize,
    /// Those before this one carry nothing any more.
    dead_before: AtomicUsize,
    /// New ones carry nothing either.
    is_silent: AtomicBool,
    /// What the server answers is not carried.
    loses_answers: AtomicBool,
}

impl Way {
    /// A way to the database at a URL.
    pub async fn to(url: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut through = url::Url::parse(url).unwrap();
        let target = format!("{}:{}", through.host_str().unwrap(), through.port().unwrap_or(5432));
        through.set_ip_host(address.ip()).unwrap();
        through.set_port(Some(address.port())).unwrap();
        let mut way = Self { url: through.into(), address, target, state: Arc::default(), serving: None };
        way.serve(listener);
        way
    }

    /// Host and port at which it begins.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    fn serve(&mut self, listener: TcpListener) {
        let (state, target) = (Arc::clone(&self.state), self.target.clone());
        self.serving = Some(tokio::spawn(async move {
            let mut running = JoinSet::new();
            while let Ok((inner, _)) = listener.accept().await {
                let number = state.made.fetch_add(1, Ordering::SeqCst);
                let (state, target) = (Arc::clone(&state), target.clone());
                running.spawn(async move {
                    let Ok(outer) = TcpStream::connect(target).await else { return };
                    let ((from_site, to_site), (from_server, to_server)) = (inner.into_split(), outer.into_split());
                    tokio::join!(
                        carry(from_site, to_server, number, &state, false),
                        carry(from_server, to_site, number, &state, true)
                    );
                });
            }
        }));
    }

    /// Refuses connections from now on and ends those there are.
    pub async fn close(&mut self) {
        let serving = self.serving.take().unwrap();
        serving.abort();
        drop(serving.await);
    }

    /// Takes connections again.
    pub async fn open(&mut self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        self.serve(listener);
    }

    /// Carries nothing any more, and ends nothing.
    pub fn fall_silent(&self) {
        self.state.is_silent.store(true, Ordering::SeqCst);
        self.forget_connections();
    }

    /// The connections there are carry nothing any more; new ones do.
    pub fn forget_connections(&self) {
        self.state.dead_before.store(self.state.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Carries to the server, and nothing back.
    pub fn lose_answers(&self) {
        self.state.loses_answers.store(true, Ordering::SeqCst);
    }

    /// New connections carry everything; what was silent stays so.
    pub fn speak(&self) {
        self.forget_connections();
        self.state.loses_answers.store(false, Ordering::SeqCst);
        self.state.is_silent.store(false, Ordering::SeqCst);
    }
}

impl Drop for Way {
    fn drop(&mut self) {
        if let Some(serving) = &self.serving {
            serving.abort();
        }
    }
}

async fn carry(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, number: usize, state: &State, answers: bool) {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        let is_dead = number < state.dead_before.load(Ordering::SeqCst)
            || state.is_silent.load(Ordering::SeqCst)
            || answers && state.loses_answers.load(Ordering::SeqCst);
        if is_dead {
            // Neither side learns anything, not even of the end of the other.
            std::future::pending::<()>().await;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
}
