//! `spanpin serve`: a scrape endpoint for segments whose processes have none.

pub mod answer;
mod connection;
mod request;

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

use self::answer::Exporter;
use crate::arguments::ServeOptions;

/// Connections at one time; more are told to come again.
const MOST_CONNECTIONS: usize = 64;
/// Answers that are made or sent at one time, because each is held in memory.
const MOST_ANSWERS: usize = 8;
/// After a signal to end, answers that are being made may take so long.
const END_MOST: Duration = Duration::from_secs(5);

/// What the connections share.
pub(crate) struct Shared {
    pub(crate) exporter: Mutex<Exporter>,
    connections: AtomicUsize,
    answers: AtomicUsize,
}

/// One of a limited number, given back when it is dropped.
pub(crate) struct Permit<'a>(&'a AtomicUsize);

impl<'a> Permit<'a> {
    fn of(count: &'a AtomicUsize, most: usize) -> Option<Permit<'a>> {
        let more = |n: usize| n.checked_add(1).filter(|n| *n <= most);
        count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).ok().map(|_| Permit(count))
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Shared {
    /// The right to make an answer.
    pub(crate) fn answer_permit(&self) -> Option<Permit<'_>> {
        Permit::of(&self.answers, MOST_ANSWERS)
    }

    pub(crate) fn with_exporter<R>(&self, what: impl FnOnce(&mut Exporter) -> R) -> R {
        // A poisoned lock would mean that an earlier answer failed in the middle; the exporter has no state that could be half
        // done.
        what(&mut self.exporter.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves until a signal ends it.
///
/// # Errors
/// What keeps it from listening.
pub fn serve(options: ServeOptions) -> Result<(), String> {
    let listen = options.listen;
    let listener = TcpListener::bind(listen)
        .map_err(|error| format!("cannot listen on {listen}: {error}; give another --listen ADDRESS:PORT"))?;
    let address = listener.local_addr().map_err(|error| format!("cannot tell its address: {error}"))?;
    let ending = Arc::new(AtomicBool::new(false));
    let mut signals = Signals::new([SIGTERM, SIGINT]).map_err(|error| format!("cannot wait for signals: {error}"))?;
    let told = Arc::clone(&ending);
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            told.store(true, Ordering::SeqCst);
            // So that the one that waits for connections looks up.
            let _ = TcpStream::connect_timeout(&reachable(address), Duration::from_secs(1));
        }
    });
    eprintln!("spanpin: serving {} segments on http://{address}/metrics", options.segments.len());
    let shared = Arc::new(Shared {
        exporter: Mutex::new(Exporter::new(options, |complaint| eprintln!("spanpin: {complaint}"))),
        connections: AtomicUsize::new(0),
        answers: AtomicUsize::new(0),
    });
    accept(&listener, &shared, &ending);
    drop(listener);
    let end = Instant::now().checked_add(END_MOST);
    while shared.connections.load(Ordering::Relaxed) > 0 && end.is_some_and(|end| Instant::now() < end) {
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn reachable(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        let local: std::net::IpAddr =
            if address.is_ipv4() { std::net::Ipv4Addr::LOCALHOST.into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(local);
    }
    address
}

fn accept(listener: &TcpListener, shared: &Arc<Shared>, ending: &AtomicBool) {
    loop {
        let accepted = listener.accept();
        if ending.load(Ordering::SeqCst) {
            return;
        }
        let Ok((stream, peer)) = accepted else {
            // Too many open files, for instance: others must end first.
            std::thread::sleep(Duration::from_millis(50));
            continue;
        };
        let worker = Arc::clone(shared);
        let started = std::thread::Builder::new().name("connection".into()).stack_size(512 * 1024);
        let spawned = match Permit::of(&shared.connections, MOST_CONNECTIONS) {
            Some(permit) => {
                // The thread gives it back.
                std::mem::forget(permit);
                started.spawn(move || {
                    let _permit = Permit(&worker.connections);
                    connection::handle(stream, peer.ip(), &worker);
                })
            }
            None => {
                connection::refuse(&stream);
                continue;
            }
        };
        if spawned.is_err() {
            shared.connections.fetch_sub(1, Ordering::Relaxed);
        }
    }
}
