//! The head of a request, read within limits of bytes and time.

use std::io::{ErrorKind, Read};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// The longest head.
const MOST_BYTES: usize = 16 * 1024;
/// The most header lines.
const MOST_HEADERS: usize = 64;
/// The head must be there after so long.
const MOST_TIME: Duration = Duration::from_secs(10);

/// What a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) target: String,
    pub(crate) accept: String,
    pub(crate) user_agent: String,
    pub(crate) scrape_timeout: String,
}

/// A request that is not answered as it wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The peer closed, or sent nothing at all.
    Gone,
    Malformed,
    TooLarge,
    TooSlow,
}

/// Reads the head of a request.
pub(crate) fn read(stream: &mut TcpStream) -> Result<Request, Refusal> {
    let end = Instant::now().checked_add(MOST_TIME).ok_or(Refusal::TooSlow)?;
    let mut head = Vec::new();
    let mut chunk = [0_u8; 2048];
    loop {
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(if head.is_empty() { Refusal::Gone } else { Refusal::TooSlow });
        }
        stream.set_read_timeout(Some(left)).map_err(|_| Refusal::Gone)?;
        let got = match stream.read(&mut chunk) {
            Ok(0) => return Err(Refusal::Gone),
            Ok(got) => got,
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock | ErrorKind::TimedOut) =>
            {
                continue;
            }
            Err(_) => return Err(Refusal::Gone),
        };
        head.extend_from_slice(chunk.get(..got).unwrap_or_default());
        if let Some(request) = parse(&head)? {
            return Ok(request);
        }
        if head.len() >= MOST_BYTES {
            return Err(Refusal::TooLarge);
        }
    }
}

/// The request, once its head is complete.
pub(crate) fn parse(head: &[u8]) -> Result<Option<Request>, Refusal> {
    let mut headers = [httparse::EMPTY_HEADER; MOST_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    match parsed.parse(head) {
        Ok(httparse::Status::Complete(len)) if len > MOST_BYTES => return Err(Refusal::TooLarge),
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(Refusal::TooLarge),
        Err(_) => return Err(Refusal::Malformed),
    }
    let mut request = Request {
        method: parsed.method.unwrap_or_default().to_owned(),
        target: parsed.path.unwrap_or_default().to_owned(),
        ..Request::default()
    };
    for header in parsed.headers.iter() {
        let to = if header.name.eq_ignore_ascii_case("accept") {
            &mut request.accept
        } else if header.name.eq_ignore_ascii_case("user-agent") {
            &mut request.user_agent
        } else if header.name.eq_ignore_ascii_case("x-prometheus-scrape-timeout-seconds") {
            &mut request.scrape_timeout
        } else {
            continue;
        };
        if !to.is_empty() {
            to.push(',');
        }
        to.push_str(&String::from_utf8_lossy(header.value));
    }
    Ok(Some(request))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read_as_a_whole() {
        let whole = b"GET /metrics?a=b HTTP/1.1\r\nHost: x\r\nACCEPT: a\r\nAccept: b\r\nUser-Agent: p\r\n\r\n";
        for len in 0..whole.len() {
            assert_eq!(parse(&whole[..len]), Ok(None), "{len}");
        }
        let request = parse(whole).unwrap().unwrap();
        assert_eq!((&*request.method, &*request.target), ("GET", "/metrics?a=b"));
        assert_eq!((&*request.accept, &*request.user_agent), ("a,b", "p"));
        assert_eq!(parse(b"\x16\x03\x01\x02\x00"), Err(Refusal::Malformed));
        let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(65));
        assert_eq!(parse(many.as_bytes()), Err(Refusal::TooLarge));
    }
}
