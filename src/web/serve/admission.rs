//! Who gets a connection: so many in all, and so many from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;

use crate::config::limits::Limits;
use crate::web::rate_limit::subscriber;

/// What somebody gets for whom there is no place.
const REFUSAL: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";
/// How many are told so at once; the others are closed without a word.
const REFUSALS: usize = 64;
/// How long they may take to hear it.
const HEARING: Duration = Duration::from_secs(1);

/// Connections that are open, of all listeners of the process.
static OPEN: AtomicUsize = AtomicUsize::new(0);

/// How many connections are open.
pub(crate) fn open_connections() -> usize {
    OPEN.load(Ordering::Relaxed)
}

/// The places for connections.
pub(super) struct Admission {
    most: usize,
    most_of_one: Option<usize>,
    taken: Arc<Mutex<Taken>>,
    refusals: Arc<Semaphore>,
    is_full: AtomicBool,
}

#[derive(Default)]
struct Taken {
    all: usize,
    by_address: HashMap<IpAddr, usize>,
}

/// A place that is taken until this is dropped.
pub(super) struct Place {
    taken: Arc<Mutex<Taken>>,
    address: IpAddr,
}

impl Admission {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            most: limits.connections,
            most_of_one: limits.connections_per_address,
            taken: Arc::default(),
            refusals: Arc::new(Semaphore::new(REFUSALS)),
            is_full: AtomicBool::new(false),
        }
    }

    /// A place for a connection from that address, if there is one.
    pub(super) fn admit(&self, address: IpAddr) -> Option<Place> {
        let address = subscriber(address);
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        let of_one = taken.by_address.get(&address).copied().unwrap_or(0);
        let is_full = taken.all >= self.most;
        let is_full_of_one = self.most_of_one.is_some_and(|most| of_one >= most);
        if is_full || is_full_of_one {
            drop(taken);
            // Once each time it begins, or the log would be as full.
            if !self.is_full.swap(true, Ordering::Relaxed) {
                let limit = if is_full { "DOCTYPED_MAX_CONNECTIONS" } else { "DOCTYPED_MAX_CONNECTIONS_PER_ADDRESS" };
                tracing::warn!(%address, limit, "connections are refused: there are too many (if they come from a \
                    proxy, set DOCTYPED_TRUSTED_PROXIES)");
            }
            return None;
        }
        self.is_full.store(false, Ordering::Relaxed);
        taken.all += 1;
        OPEN.fetch_add(1, Ordering::Relaxed);
        taken.by_address.insert(address, of_one + 1);
        Some(Place { taken: Arc::clone(&self.taken), address })
    }

    /// Says 503 and closes; what the other end has sent is read first, or it would not hear the answer.
    pub(super) fn refuse(&self, mut socket: TcpStream) {
        let Ok(permit) = Arc::clone(&self.refusals).try_acquire_owned() else { return };
        tokio::spawn(async move {
            let answer = async {
                socket.write_all(REFUSAL).await?;
                socket.shutdown().await?;
                let mut sent = [0; 1024];
                while socket.read(&mut sent).await? > 0 {}
                std::io::Result::Ok(())
            };
            // Whoever is gone, or does not listen, need not be told.
            let _ = tokio::time::timeout(HEARING, answer).await;
            drop(permit);
        });
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        taken.all -= 1;
        OPEN.fetch_sub(1, Ordering::Relaxed);
        if let Some(of_one) = taken.by_address.get_mut(&self.address) {
            *of_one -= 1;
            if *of_one == 0 {
                taken.by_address.remove(&self.address);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_all_and_by_address_and_given_back() {
        let limits = Limits { connections: 3, connections_per_address: Some(2), ..Limits::default() };
        let admission = Admission::new(&limits);
        let admit = |address: &str| admission.admit(address.parse().unwrap());
        let first = admit("192.0.2.1").unwrap();
        let _second = admit("::ffff:192.0.2.1").unwrap();
        assert!(admit("192.0.2.1").is_none(), "two from one address");
        let third = admit("2001:db8::1").unwrap();
        assert!(admit("192.0.2.9").is_none(), "three in all");
        drop(first);
        let _fourth = admit("2001:db8::2").unwrap();
        drop(third);
        assert!(admit("192.0.2.1").is_some());
    }

    #[test]
    fn one_line_of_ipv6_counts_as_one_address() {
        let limits = Limits { connections_per_address: Some(1), ..Limits::default() };
        let admission = Admission::new(&limits);
        let _place = admission.admit("2001:db8::1".parse().unwrap()).unwrap();
        assert!(admission.admit("2001:db8::ffff".parse().unwrap()).is_none());
        assert!(admission.admit("2001:db8:0:1::1".parse().unwrap()).is_some());
    }
}
