//! The command line: `--port N --host ADDRESS --log FILE --spans FILE`.

use std::env;
use std::fs::{File, OpenOptions};
use std::io;

pub struct Arguments {
    pub port: u16,
    pub host: String,
    /// Where log lines go; standard output by default.
    pub log: String,
    /// Where spans go; nowhere by default.
    pub spans: Option<String>,
}

impl Arguments {
    pub fn parse() -> Result<Self, String> {
        let mut arguments =
            Arguments { port: 8104, host: "127.0.0.1".to_owned(), log: "/dev/stdout".to_owned(), spans: None };
        let mut words = env::args().skip(1);
        while let Some(name) = words.next() {
            let value = words.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--port" => {
                    arguments.port = value
                        .parse()
                        .map_err(|_| format!("--port {value} is no port: give a number from 0 to 65535"))?;
                }
                "--host" => arguments.host = value,
                "--log" => arguments.log = value,
                "--spans" => arguments.spans = Some(value),
                _ => return Err(format!("unknown option {name}: there are --port, --host, --log and --spans")),
            }
        }
        Ok(arguments)
    }
}

pub fn append_to(path: impl AsRef<str>) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path.as_ref())
}
