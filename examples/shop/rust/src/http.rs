//! As much of HTTP/1.1 as the shop needs: one GET per connection.

use std::collections::HashMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;

const HEAD_MAX: u64 = 64 << 10;

/// The head of a GET request. Header names are in lower case.
pub struct Request {
    pub target: String,
    headers: HashMap<String, String>,
}

impl Request {
    pub fn read(connection: &TcpStream) -> io::Result<Request> {
        let mut lines = BufReader::new(connection.take(HEAD_MAX)).lines();
        let first = lines.next().ok_or(io::ErrorKind::UnexpectedEof)??;
        let target = first
            .strip_prefix("GET ")
            .and_then(|rest| rest.split_once(' '))
            .map(|(target, _)| target.to_owned())
            .ok_or(io::ErrorKind::InvalidData)?;
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
        self.target.split('?').next().unwrap_or_default()
    }

    /// The value of a header, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// Answers, and lets the connection be closed.
pub fn answer(
    mut connection: &TcpStream,
    status: u16,
    content_type: &str,
    content_encoding: &str,
    body: &[u8],
) -> io::Result<()> {
    let reason = match status {
        200 => "OK",
        404 => "Not Found",
        _ => "Internal Server Error",
    };
    let encoding = match content_encoding {
        "" => String::new(),
        name => format!("Content-Encoding: {name}\r\n"),
    };
    let length = body.len();
    let head = format!(
        "HTTP/1.1 {status} {reason}\r\nContent-Type: {content_type}\r\n{encoding}Content-Length: {length}\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(head.as_bytes())?;
    connection.write_all(body)
}
