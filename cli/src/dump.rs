//! `spanpin dump`: the exposition of one segment.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use spanpin::{Format, Look, Marks, ScrapeRequest, SegmentCopy};

use crate::arguments::{Limits, Segment};
use crate::page::{Page, Part};

/// The label of a segment that was given a name.
const LABEL: &str = "segment";

/// All that a segment holds, in OpenMetrics.
///
/// # Errors
/// What is wrong with the file.
pub fn dump(segment: &Segment, limits: &Limits) -> Result<Vec<u8>, String> {
    exposition(segment, limits, "application/openmetrics-text")
}

/// Writes a segment to `NAME.prom` in a folder, in text 0.0.4: under another name first, so that a collector never sees a part
/// of it. Returns the path.
///
/// # Errors
/// What is wrong with the segment or the folder.
pub fn textfile(segment: &Segment, folder: &Path, limits: &Limits) -> Result<PathBuf, String> {
    let body = exposition(segment, limits, "text/plain")?;
    let name = segment.name.replace(|c: char| !c.is_ascii_alphanumeric() && !"._-".contains(c), "_");
    let path = folder.join(format!("{name}.prom"));
    // Collectors read `*.prom` only.
    let temporary = folder.join(format!(".{name}.prom.{}", std::process::id()));
    let written = write(&temporary, &body).and_then(|()| fs::rename(&temporary, &path));
    written.map_err(|error| {
        let _ = fs::remove_file(&temporary);
        format!("{} cannot be written: {error}; give a folder that this user may write to", path.display())
    })?;
    Ok(path)
}

fn write(path: &Path, body: &[u8]) -> std::io::Result<()> {
    let _ = fs::remove_file(path);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o644).open(path)?;
    file.write_all(body)?;
    file.sync_all()
}

fn exposition(segment: &Segment, limits: &Limits, accept: &str) -> Result<Vec<u8>, String> {
    let told = |error: spanpin::Error| error.to_string();
    let copy = SegmentCopy::read(&segment.path, limits.most_bytes, Look::Once).map_err(told)?;
    let request = ScrapeRequest { accept, ..Default::default() };
    let body = copy.scrape(&request, &mut Marks::new()).map_err(told)?.into_body();
    if !segment.named {
        return Ok(body);
    }
    let families = copy.families().map_err(told)?;
    let mut page = Page::new(LABEL, &[]);
    let left_out = page.add(&Part { name: &segment.name, body: &body, families: &families });
    if !left_out.is_empty() {
        return Err(format!("a family has a label \"{LABEL}\" of its own: give the path without a name"));
    }
    Ok(page.finish(if accept == "text/plain" { Format::Text004 } else { Format::OpenMetrics1 }, &[]))
}
