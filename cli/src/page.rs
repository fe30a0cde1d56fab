//! One exposition of several segments: each family written once, its samples told apart by a label.
//!
//! What is taken apart here was written by the core a moment ago, so it is well formed: the lines of a family's head, then
//! its samples, and no line of a sample begins with `#`.

use std::collections::HashMap;

use spanpin::{FamilyFacts, Format, Kind};

/// What one segment has to show.
pub struct Part<'a> {
    /// The value of its label.
    pub name: &'a str,
    /// Its own exposition.
    pub body: &'a [u8],
    /// Its families.
    pub families: &'a [FamilyFacts],
}

/// Why a family of a segment is not shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeftOut {
    /// An earlier segment has it in another shape.
    Shape,
    /// Its samples have the names of another family's.
    Clash,
    /// It has a label of the name that tells the segments apart.
    Label,
}

impl LeftOut {
    /// All reasons.
    pub const ALL: [LeftOut; 3] = [LeftOut::Shape, LeftOut::Clash, LeftOut::Label];

    /// The reason as a label value.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            LeftOut::Shape => "shape",
            LeftOut::Clash => "clash",
            LeftOut::Label => "label",
        }
    }
}

/// The families of several segments.
pub struct Page<'a> {
    label: &'a str,
    families: Vec<Grouped<'a>>,
    /// Which family has samples of a name.
    owners: HashMap<String, usize>,
}

struct Grouped<'a> {
    facts: &'a FamilyFacts,
    text: Vec<u8>,
}

impl<'a> Page<'a> {
    /// A page without families, where these sample names are taken.
    #[must_use]
    pub fn new(label: &'a str, taken: &[&str]) -> Self {
        let owners = taken.iter().map(|name| ((*name).to_owned(), usize::MAX)).collect();
        Page { label, families: Vec::new(), owners }
    }

    /// Adds what a segment shows. Returns the families that had to be left out.
    pub fn add(&mut self, part: &Part<'a>) -> Vec<LeftOut> {
        let shown: HashMap<&str, &FamilyFacts> =
            part.families.iter().filter(|facts| !facts.hidden).map(|facts| (&*facts.name, facts)).collect();
        let mut left_out = Vec::new();
        let label = label_pair(self.label, part.name);
        for block in blocks(part.body) {
            let Some(facts) = block
                .name()
                .and_then(|name| shown.get(name).or_else(|| shown.get(name.strip_suffix("_total")?)).copied())
            else {
                continue;
            };
            match self.place(facts) {
                Ok(index) => {
                    if let Some(family) = self.families.get_mut(index) {
                        if family.text.is_empty() {
                            family.text.extend_from_slice(block.head);
                        }
                        put_samples(&mut family.text, block.samples, &label);
                    }
                }
                Err(reason) => left_out.push(reason),
            }
        }
        left_out
    }

    /// Where the samples of a family go.
    fn place(&mut self, facts: &'a FamilyFacts) -> Result<usize, LeftOut> {
        if facts.label_names.iter().any(|name| **name == *self.label) {
            return Err(LeftOut::Label);
        }
        let known = self.owners.get(&*facts.name).copied();
        if let Some(first) = known.and_then(|index| Some((index, self.families.get(index)?))) {
            let (index, first) = (first.0, first.1.facts);
            if first.name == facts.name {
                let same = first.kind == facts.kind
                    && first.unit == facts.unit
                    && first.label_names == facts.label_names
                    && first.bounds == facts.bounds;
                return if same { Ok(index) } else { Err(LeftOut::Shape) };
            }
        }
        let names = sample_names(facts);
        if names.iter().any(|name| self.owners.contains_key(name)) {
            return Err(LeftOut::Clash);
        }
        let index = self.families.len();
        self.owners.extend(names.into_iter().map(|name| (name, index)));
        self.families.push(Grouped { facts, text: Vec::new() });
        Ok(index)
    }

    /// The exposition, with lines of the caller's behind it.
    #[must_use]
    pub fn finish(self, format: Format, more: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(
            self.families.iter().map(|family| family.text.len()).sum::<usize>().saturating_add(more.len()),
        );
        for family in self.families {
            out.extend_from_slice(&family.text);
        }
        out.extend_from_slice(more);
        if format == Format::OpenMetrics1 {
            out.extend_from_slice(b"# EOF\n");
        }
        out
    }
}

fn sample_names(facts: &FamilyFacts) -> Vec<String> {
    let ends: &[&str] = match facts.kind {
        Kind::Counter => &["", "_total", "_created"],
        Kind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
        Kind::Gauge => &[""],
    };
    ends.iter().map(|end| format!("{}{end}", facts.name)).collect()
}

/// `name="value"`, escaped.
#[must_use]
pub fn label_pair(name: &str, value: &str) -> Vec<u8> {
    let escaped = value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("{name}=\"{escaped}\"").into_bytes()
}

struct Block<'b> {
    head: &'b [u8],
    samples: &'b [u8],
}

impl Block<'_> {
    /// The name in the TYPE line.
    fn name(&self) -> Option<&str> {
        let head = std::str::from_utf8(self.head).ok()?;
        head.lines().find_map(|line| line.strip_prefix("# TYPE ")).and_then(|rest| rest.split(' ').next())
    }
}

/// The families of an exposition.
fn blocks(body: &[u8]) -> Vec<Block<'_>> {
    let mut found = Vec::new();
    let mut rest = body;
    while !rest.is_empty() {
        let head_len = len_of_lines(rest, |line| line.starts_with(b"#"));
        let (head, behind) = rest.split_at_checked(head_len).unwrap_or((rest, &[]));
        let samples_len = len_of_lines(behind, |line| !line.starts_with(b"#"));
        let (samples, behind) = behind.split_at_checked(samples_len).unwrap_or((behind, &[]));
        if !samples.is_empty() {
            found.push(Block { head, samples });
        }
        rest = behind;
    }
    found
}

fn len_of_lines(text: &[u8], wanted: impl Fn(&[u8]) -> bool) -> usize {
    text.split_inclusive(|byte| *byte == b'\n').take_while(|line| wanted(line)).map(<[u8]>::len).sum()
}

/// Each sample with one more label, the first one.
fn put_samples(out: &mut Vec<u8>, samples: &[u8], label: &[u8]) {
    for line in samples.split_inclusive(|byte| *byte == b'\n') {
        let end = line.iter().position(|byte| *byte == b'{' || *byte == b' ').unwrap_or(line.len());
        let (name, rest) = line.split_at_checked(end).unwrap_or((line, &[]));
        out.extend_from_slice(name);
        out.push(b'{');
        out.extend_from_slice(label);
        match rest.strip_prefix(b"{") {
            Some(labels) => {
                out.push(b',');
                out.extend_from_slice(labels);
            }
            None => {
                out.push(b'}');
                out.extend_from_slice(rest);
            }
        }
    }
}
