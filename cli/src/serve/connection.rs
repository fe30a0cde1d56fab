//! One connection: one request, one answer, and the end of it.

use std::io::{Read, Write};
use std::net::{IpAddr, Shutdown, TcpStream};
use std::time::{Duration, Instant};

use spanpin::{ScrapeRequest, Scraper};

use super::Shared;
use super::request::{self, Refusal, Request};

/// A peer that takes its answer slower than this loses the rest.
const WRITE_MOST: Duration = Duration::from_secs(30);
/// Bytes that are taken from a peer behind its request, so that it sees the answer and not an error.
const DRAIN_MOST: usize = 64 * 1024;
const DRAIN_TIME: Duration = Duration::from_millis(500);
/// A scrape may take so long if the scraper does not say.
const SCRAPE_MOST_MS: u32 = 30_000;

const TEXT: &str = "text/plain; charset=utf-8";
const INDEX: &[u8] = b"spanpin serve: the metrics are at /metrics\n";

struct Answer {
    status: &'static str,
    content_type: &'static str,
    body: Vec<u8>,
}

impl Answer {
    fn told(status: &'static str, text: &str) -> Answer {
        Answer { status, content_type: TEXT, body: format!("{text}\n").into_bytes() }
    }
}

/// Answers what the peer asks.
pub(super) fn handle(mut stream: TcpStream, peer: IpAddr, shared: &Shared) {
    let request = match request::read(&mut stream) {
        Ok(request) => request,
        Err(refusal) => {
            let answer = match refusal {
                Refusal::Gone => return,
                Refusal::Malformed => Answer::told("400 Bad Request", "this is no HTTP request"),
                Refusal::TooLarge => {
                    Answer::told("431 Request Header Fields Too Large", "at most 16 KiB and 64 headers")
                }
                Refusal::TooSlow => Answer::told("408 Request Timeout", "the request must be there within 10 s"),
            };
            send(&mut stream, &answer, true);
            return;
        }
    };
    let with_body = request.method != "HEAD";
    // Held until the answer is sent.
    let Some(_permit) = shared.answer_permit() else {
        send(&mut stream, &Answer::told("503 Service Unavailable", "too many answers at once: come again"), with_body);
        return;
    };
    let answer = answer(&request, peer, shared);
    send(&mut stream, &answer, with_body);
}

/// Tells a peer that there is no room for it, without waiting for anything.
pub(super) fn refuse(stream: &TcpStream) {
    let _ = stream.set_nonblocking(true);
    let text = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    let _ = (&*stream).write(text);
}

fn answer(request: &Request, peer: IpAddr, shared: &Shared) -> Answer {
    let path = request.target.split('?').next().unwrap_or_default();
    if !matches!(&*request.method, "GET" | "HEAD") {
        return Answer::told("405 Method Not Allowed", "only GET and HEAD");
    }
    match path {
        "/metrics" => {}
        "/" => return Answer { status: "200 OK", content_type: TEXT, body: INDEX.to_vec() },
        _ => return Answer::told("404 Not Found", "there is /metrics"),
    }
    let peer = peer.to_string();
    let scraper = Scraper::from_request(&request.user_agent, &request.scrape_timeout, &request.target, &peer);
    // Whoever only asks for the head is shown nothing, so it has seen nothing.
    let accept = if request.method == "HEAD" { "" } else { &*request.accept };
    let scrape =
        ScrapeRequest { accept, scraper, deadline_ms: deadline_ms(&request.scrape_timeout), ..Default::default() };
    let (content_type, body) = shared.with_exporter(|exporter| exporter.answer(&scrape));
    Answer { status: "200 OK", content_type, body }
}

/// The scraper's own timeout, in milliseconds.
fn deadline_ms(timeout: &str) -> u32 {
    let seconds = timeout.parse::<f64>().ok().filter(|seconds| (0.001..=30.0).contains(seconds));
    seconds.map_or(SCRAPE_MOST_MS, |seconds| (seconds * 1000.0) as u32)
}

fn send(stream: &mut TcpStream, answer: &Answer, with_body: bool) {
    let allow = if answer.status.starts_with("405") { "Allow: GET, HEAD\r\n" } else { "" };
    let bytes = format!(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\n{allow}Connection: close\r\n\r\n",
        answer.status,
        answer.content_type,
        answer.body.len()
    )
    .into_bytes();
    let end = Instant::now().checked_add(WRITE_MOST);
    let left = || end.map(|end| end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero());
    for part in [&*bytes, if with_body { &*answer.body } else { &[] }] {
        let mut rest = part;
        while !rest.is_empty() {
            let Some(left) = left() else { return };
            if stream.set_write_timeout(Some(left)).is_err() {
                return;
            }
            match stream.write(rest) {
                Ok(0) => return,
                Ok(sent) => rest = rest.get(sent..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(_) => return,
            }
        }
    }
    drain(stream);
}

/// Takes what the peer has sent behind its request. Closing with bytes unread would take the answer away from it.
fn drain(stream: &mut TcpStream) {
    let _ = stream.shutdown(Shutdown::Write);
    let end = Instant::now().checked_add(DRAIN_TIME);
    let mut chunk = [0_u8; 4096];
    let mut taken = 0_usize;
    while taken < DRAIN_MOST {
        let Some(left) = end.map(|end| end.saturating_duration_since(Instant::now())).filter(|left| !left.is_zero())
        else {
            return;
        };
        if stream.set_read_timeout(Some(left)).is_err() {
            return;
        }
        match stream.read(&mut chunk) {
            Ok(0) | Err(_) => return,
            Ok(got) => taken = taken.saturating_add(got),
        }
    }
}
