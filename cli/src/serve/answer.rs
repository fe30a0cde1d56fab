//! The answer to a scrape: every segment copied, and one page made of them.

use spanpin::{FamilyFacts, Format, Look, Marks, ScrapeRequest, SegmentCopy, negotiate};

use crate::arguments::{Segment, ServeOptions};
use crate::page::{LeftOut, Page, Part, label_pair};

const READABLE: &str = "spanpin_serve_segment_readable";
const LEFT_OUT: &str = "spanpin_serve_families_left_out";

/// What is served, and what each scraper has seen of it.
pub struct Exporter {
    options: ServeOptions,
    sources: Vec<Source>,
    /// Where complaints go, a line each.
    log: fn(&str),
}

struct Source {
    marks: Marks,
    /// The last complaint, which is not written twice.
    complaint: String,
}

/// What was found in a segment.
struct Found {
    body: Vec<u8>,
    families: Vec<FamilyFacts>,
}

impl Exporter {
    /// An exporter that nobody has asked yet.
    #[must_use]
    pub fn new(options: ServeOptions, log: fn(&str)) -> Self {
        let sources =
            options.segments.iter().map(|_| Source { marks: Marks::new(), complaint: String::new() }).collect();
        Exporter { options, sources, log }
    }

    /// Answers a scrape. Returns the content type and the body. A segment that cannot be read is left out and told of.
    pub fn answer(&mut self, request: &ScrapeRequest<'_>) -> (&'static str, Vec<u8>) {
        let negotiated = negotiate(request.accept);
        let most_bytes = self.options.limits.most_bytes;
        let mut found = Vec::new();
        for (segment, source) in self.options.segments.iter().zip(&mut self.sources) {
            let read = look(segment, source, request, most_bytes);
            let complaint = read.as_ref().err().cloned().unwrap_or_default();
            if !complaint.is_empty() && complaint != source.complaint {
                (self.log)(&complaint);
            }
            source.complaint = complaint;
            found.push(read.ok());
        }
        let mut page = Page::new(&self.options.label, &[READABLE, LEFT_OUT]);
        let mut told = SelfMetrics::new(&self.options.label);
        for (segment, found) in self.options.segments.iter().zip(&found) {
            let left_out = found
                .as_ref()
                .map(|found| page.add(&Part { name: &segment.name, body: &found.body, families: &found.families }));
            told.add(&segment.name, left_out.as_deref());
        }
        (negotiated.content_type(), page.finish(negotiated.format, &told.text(negotiated.format)))
    }
}

fn look(segment: &Segment, source: &mut Source, request: &ScrapeRequest<'_>, most_bytes: u64) -> Result<Found, String> {
    let told = |error: spanpin::Error| error.to_string();
    let copy = SegmentCopy::read(&segment.path, most_bytes, Look::Finished).map_err(told)?;
    let families = copy.families().map_err(told)?;
    let scrape =
        copy.scrape(request, &mut source.marks).map_err(|error| format!("segment {}: {error}", segment.name))?;
    Ok(Found { body: scrape.into_body(), families })
}

/// What the exporter says of itself.
struct SelfMetrics<'a> {
    label: &'a str,
    readable: Vec<u8>,
    left_out: Vec<u8>,
}

impl<'a> SelfMetrics<'a> {
    fn new(label: &'a str) -> Self {
        SelfMetrics { label, readable: Vec::new(), left_out: Vec::new() }
    }

    fn add(&mut self, name: &str, left_out: Option<&[LeftOut]>) {
        let pair = label_pair(self.label, name);
        let pair = String::from_utf8_lossy(&pair);
        self.readable.extend_from_slice(format!("{READABLE}{{{pair}}} {}\n", u8::from(left_out.is_some())).as_bytes());
        for reason in LeftOut::ALL {
            let count = left_out.unwrap_or_default().iter().filter(|one| **one == reason).count();
            let text = format!("{LEFT_OUT}{{{pair},reason=\"{}\"}} {count}\n", reason.as_str());
            self.left_out.extend_from_slice(text.as_bytes());
        }
    }

    fn text(self, format: Format) -> Vec<u8> {
        let head = |name: &str, help: &str| {
            let (kind, help) = (format!("# TYPE {name} gauge\n"), format!("# HELP {name} {help}\n"));
            if format == Format::OpenMetrics1 { kind + &help } else { help + &kind }
        };
        let mut out = head(READABLE, "Whether the segment could be read for this scrape.").into_bytes();
        out.extend_from_slice(&self.readable);
        let help = "Families of the segment that could not be shown beside those of earlier segments.";
        out.extend_from_slice(head(LEFT_OUT, help).as_bytes());
        out.extend_from_slice(&self.left_out);
        out
    }
}
