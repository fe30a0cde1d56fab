//! The command line.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use lexopt::prelude::{Long, Short, Value};

/// What `spanpin --help` says.
pub const USAGE: &str = "\
spanpin looks into segment files, without writing to them.

  spanpin inspect SEGMENT [--json]            families, series, counts, rings, slots, workers, free space
  spanpin dump SEGMENT                        OpenMetrics to the standard output
  spanpin dump SEGMENT --textfile DIR         text 0.0.4 to DIR/NAME.prom, for a textfile collector; no exemplars
  spanpin serve SEGMENT... [--listen ADDRESS] a scrape endpoint, 127.0.0.1:9464 unless told otherwise

A SEGMENT is the path that a service was given, or NAME=PATH. Its name is that of the file without .spanpin.

  --label NAME       serve: the label that tells the segments apart (default segment)
  --max-bytes BYTES  the longest segment that is copied (default 268435456)
  --help, --version
";

/// The label that tells segments apart unless another one is wanted.
const LABEL: &str = "segment";
const LISTEN: &str = "127.0.0.1:9464";
/// As long as a segment can become whose service was not told otherwise.
const MOST_BYTES: u64 = 256 << 20;
/// Segments that one process serves.
const MOST_SEGMENTS: usize = 256;

/// A segment file and the name it is shown under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The value of the label.
    pub name: String,
    /// Whether the name was given.
    pub named: bool,
    /// Where the file is.
    pub path: PathBuf,
}

/// What may be asked of a segment file at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest segment that is copied.
    pub most_bytes: u64,
}

/// What `serve` was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServeOptions {
    /// What is served.
    pub segments: Vec<Segment>,
    /// Where.
    pub listen: SocketAddr,
    /// The label that tells them apart.
    pub label: String,
    /// Of each segment.
    pub limits: Limits,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Write the usage.
    Help,
    /// Write the version.
    Version,
    /// Tell what is in a segment.
    Inspect {
        /// Which one.
        segment: Segment,
        /// For programs.
        json: bool,
        /// Of the segment.
        limits: Limits,
    },
    /// Write its exposition.
    Dump {
        /// Which one.
        segment: Segment,
        /// The folder of a textfile collector; nothing for the standard output.
        textfile: Option<PathBuf>,
        /// Of the segment.
        limits: Limits,
    },
    /// Answer scrapes.
    Serve(ServeOptions),
}

#[derive(Default)]
struct Given {
    values: Vec<OsString>,
    json: bool,
    textfile: Option<PathBuf>,
    listen: Option<String>,
    label: Option<String>,
    most_bytes: Option<u64>,
    help: bool,
    version: bool,
}

/// Reads the command line, without the name of the program.
///
/// # Errors
/// What was wrong, and what is allowed.
pub fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<Command, String> {
    let given = read(arguments).map_err(|error| error.to_string())?;
    if given.help {
        return Ok(Command::Help);
    }
    if given.version {
        return Ok(Command::Version);
    }
    let limits = Limits { most_bytes: given.most_bytes.unwrap_or(MOST_BYTES) };
    let mut values = given.values.into_iter();
    let name = values.next().unwrap_or_default();
    let segments = values.map(segment).collect::<Result<Vec<_>, _>>()?;
    let only = |option: &str, there: bool, command: &str| {
        if there { Err(format!("{option} belongs to `spanpin {command}`")) } else { Ok(()) }
    };
    let name = name.to_string_lossy();
    if name != "inspect" {
        only("--json", given.json, "inspect")?;
    }
    if name != "dump" {
        only("--textfile", given.textfile.is_some(), "dump")?;
    }
    if name != "serve" {
        only("--listen", given.listen.is_some(), "serve")?;
        only("--label", given.label.is_some(), "serve")?;
    }
    match &*name {
        "inspect" => Ok(Command::Inspect { segment: one(segments)?, json: given.json, limits }),
        "dump" => Ok(Command::Dump { segment: one(segments)?, textfile: given.textfile, limits }),
        "serve" => serve(segments, given.listen, given.label, limits).map(Command::Serve),
        "" => Err("say what to do: inspect, dump or serve".into()),
        other => Err(format!("\"{other}\" is no command: use inspect, dump or serve")),
    }
}

fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Given, lexopt::Error> {
    let mut parser = lexopt::Parser::from_args(arguments);
    let mut given = Given::default();
    while let Some(argument) = parser.next()? {
        match argument {
            Long("json") => given.json = true,
            Long("textfile") => given.textfile = Some(PathBuf::from(parser.value()?)),
            Long("listen") => given.listen = Some(text(parser.value()?)?),
            Long("label") => given.label = Some(text(parser.value()?)?),
            Long("max-bytes") => {
                let value = text(parser.value()?)?;
                let bytes = value.parse().map_err(|_| format!("--max-bytes \"{value}\" is no number of bytes"))?;
                given.most_bytes = Some(bytes);
            }
            Long("help") | Short('h') => given.help = true,
            Long("version") | Short('V') => given.version = true,
            Value(value) => given.values.push(value),
            other => return Err(other.unexpected()),
        }
    }
    Ok(given)
}

fn text(value: OsString) -> Result<String, lexopt::Error> {
    value.into_string().map_err(lexopt::Error::NonUnicodeValue)
}

fn one(segments: Vec<Segment>) -> Result<Segment, String> {
    let count = segments.len();
    let mut segments = segments.into_iter();
    match (segments.next(), count) {
        (Some(segment), 1) => Ok(segment),
        _ => Err(format!("give one segment, not {count}")),
    }
}

/// `NAME=PATH` or a path. What stands before a `=` behind a `/` is no name.
fn segment(value: OsString) -> Result<Segment, String> {
    let named = value.to_str().and_then(|text| text.split_once('='));
    if let Some((name, path)) = named.filter(|(name, _)| !name.contains('/')) {
        if name.is_empty() || path.is_empty() {
            return Err(format!("segment \"{name}={path}\" lacks its name or its path: give NAME=PATH"));
        }
        return Ok(Segment { name: name.into(), named: true, path: path.into() });
    }
    let path = PathBuf::from(value);
    let file = path.file_name().unwrap_or_default().to_string_lossy();
    let name = file.strip_suffix(".spanpin").unwrap_or(&file);
    if name.is_empty() {
        return Err(format!("segment \"{}\" is no path of a file", path.display()));
    }
    Ok(Segment { name: name.into(), named: false, path: Path::new(&path).into() })
}

fn serve(
    segments: Vec<Segment>,
    listen: Option<String>,
    label: Option<String>,
    limits: Limits,
) -> Result<ServeOptions, String> {
    if segments.is_empty() || segments.len() > MOST_SEGMENTS {
        return Err(format!("give 1 to {MOST_SEGMENTS} segments, not {}", segments.len()));
    }
    let mut names = BTreeSet::new();
    for segment in &segments {
        if !names.insert(&segment.name) {
            let name = &segment.name;
            return Err(format!("two segments are named \"{name}\": give NAME=PATH, so that they can be told apart"));
        }
    }
    let listen = listen.unwrap_or_else(|| LISTEN.into());
    let listen =
        listen.parse().map_err(|_| format!("--listen \"{listen}\" is no address with a port, such as {LISTEN}"))?;
    let label = label.unwrap_or_else(|| LABEL.into());
    let starts = label.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if !starts
        || !label.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        || label.starts_with("__")
        || label == "le"
    {
        return Err(format!(
            "--label \"{label}\" is no label: it must match [a-zA-Z_][a-zA-Z0-9_]*, not begin with __ and not be le"
        ));
    }
    Ok(ServeOptions { segments, listen, label, limits })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Command, String> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn names_come_from_files_or_are_given() {
        let Ok(Command::Serve(options)) = parsed("serve /run/a.spanpin b=/run/x=y /run/c=d/e --listen 127.0.0.1:0")
        else {
            panic!("refused")
        };
        let names: Vec<_> = options.segments.iter().map(|segment| (&*segment.name, segment.path.to_str())).collect();
        assert_eq!(names, [("a", Some("/run/a.spanpin")), ("b", Some("/run/x=y")), ("e", Some("/run/c=d/e"))]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, expected) in [
            ("", "say what to do"),
            ("show x", "\"show\" is no command"),
            ("inspect", "give one segment, not 0"),
            ("inspect a b", "give one segment, not 2"),
            ("inspect a --listen 127.0.0.1:1", "--listen belongs to `spanpin serve`"),
            ("serve a --json", "--json belongs to"),
            ("serve a --listen 9464", "\"9464\" is no address"),
            ("serve x/a y/a", "two segments are named \"a\""),
            ("serve a --label le", "\"le\" is no label"),
            ("serve a --label 1a", "\"1a\" is no label"),
            ("dump a --max-bytes many", "\"many\" is no number"),
            ("dump =a", "lacks its name"),
            ("dump a --wrong", "--wrong"),
        ] {
            let error = parsed(line).err().unwrap_or_default();
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
