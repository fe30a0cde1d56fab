//! As much of HTTP/1.1 as Prometheus, curl and the test need: one GET per connection.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Write};
use std::net::TcpStream;

/// The head of a GET request. Header names are in lower case.
pub struct Request {
    pub target: String,
    pub headers: HashMap<String, String>,
}

impl Request {
    pub fn read(connection: &TcpStream) -> io::Result<Request> {
        let mut lines = BufReader::new(connection).lines();
        let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let target = first
            .strip_prefix("GET ")
            .and_then(|rest| rest.split_once(' '))
            .ok_or(io::ErrorKind::InvalidData)?
            .0
            .to_owned();
        let mut headers = HashMap::new();
        for line in lines {
            let line = line?;
            if line.is_empty() {
                return Ok(Request { target, headers });
            }
            if let Some((name, value)) = line.split_once(':') {
                headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
            }
        }
        Err(io::ErrorKind::UnexpectedEof.into())
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or("")
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// A query parameter; values must need no percent-decoding.
    pub fn query(&self, name: &str) -> Option<&str> {
        let (_, query) = self.target.split_once('?')?;
        query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
    }
}

pub fn answer(
    mut connection: &TcpStream,
    status: u16,
    content_type: &str,
    content_encoding: &str,
    body: &[u8],
) -> io::Result<()> {
    let encoding = match content_encoding {
        "" => String::new(),
        name => format!("Content-Encoding: {name}\r\n"),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} Status\r\nContent-Type: {content_type}\r\n{encoding}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)
}
