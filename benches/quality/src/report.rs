//! The result as JSON and as tables of the documentation.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use crate::compare::Line;
use crate::engines::{PEERS, SPANPIN};
use crate::rows::Row;

/// One row in a line, in the order given.
#[must_use]
pub fn json(rows: &[Row]) -> String {
    let lines: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                "{{\"engine\": \"{}\", \"traffic\": \"{}\", \"scrape_interval_s\": {}, \"scrapers\": \"{}\", \
                 \"populated_pct\": {}, \"fresh_pct\": {}, \"slowest_pct\": {}, \"slowest_bucket_pct\": {}, \
                 \"out_of_order\": {}, \"stored_per_hour\": {:.0}, \"median_age_s\": {:.1}, \"max_age_s\": {:.1}}}",
                row.engine,
                row.traffic,
                row.scrape_interval_s,
                row.scrapers,
                percent(row.populated_pct),
                percent(row.fresh_pct),
                percent(row.slowest_pct),
                percent(row.slowest_bucket_pct),
                row.out_of_order,
                row.stored_per_hour,
                row.median_age_s,
                row.max_age_s
            )
        })
        .collect();
    format!("[\n{}\n]\n", lines.join(",\n"))
}

/// Cut after three digits, so that nothing but 100 reads as 100.
fn percent(value: f64) -> f64 {
    (value * 1000.0).floor() / 1000.0
}

/// A percentage for people: 100 only if it is.
fn shown(value: f64) -> String {
    if value >= 100.0 { "100".into() } else { format!("{:.2}", (value * 100.0).floor() / 100.0) }
}

/// The traffic that meets every mix of scrapers.
pub const STEADY: &str = "steady, 1,000/s";

const HEAD: &str = "populated | fresh | slowest | per bucket | out of order | stored/h | median age s | max age s |\n";

fn figures(row: &Row) -> String {
    format!(
        "{} | {} | {} | {} | {} | {:.0} | {:.1} | {:.0} |\n",
        shown(row.populated_pct),
        shown(row.fresh_pct),
        shown(row.slowest_pct),
        shown(row.slowest_bucket_pct),
        row.out_of_order,
        row.stored_per_hour,
        row.median_age_s,
        row.max_age_s
    )
}

/// Every engine over one cell, the worst first.
#[must_use]
pub fn engines(rows: &[Row], traffic: &str, scrapers: &str, interval_s: u32) -> String {
    let mut text = format!("| engine | {HEAD}| --- |{}\n", " --- |".repeat(8));
    let wanted = |row: &&Row| row.traffic == traffic && row.scrapers == scrapers && row.scrape_interval_s == interval_s;
    for row in rows.iter().filter(wanted) {
        let _ = write!(text, "| {} | {}", row.engine, figures(row));
    }
    text
}

/// Of every engine the worst cell of these scrapers.
#[must_use]
pub fn worst_of_engines(rows: &[Row], scrapers: &str, interval_s: u32) -> String {
    let mut text = format!("| engine | its worst traffic | {HEAD}| --- | --- |{}\n", " --- |".repeat(8));
    let mut found: Vec<&Row> = Vec::new();
    for row in rows.iter().filter(|row| row.scrapers == scrapers && row.scrape_interval_s == interval_s) {
        if !found.iter().any(|known| known.engine == row.engine) {
            found.push(row);
        }
    }
    for row in found {
        let _ = write!(text, "| {} | {} | {}", row.engine, row.traffic, figures(row));
    }
    text
}

/// Rows of ours: with all bars the worst ones, without them those of one traffic at 15 and 60 s.
#[must_use]
pub fn ours(rows: &[Row], with_bars: bool) -> String {
    let mut text = format!("| traffic | scrapers | interval s | {HEAD}| --- | --- | --- |{}\n", " --- |".repeat(8));
    let is_told = |row: &Row| row.traffic == STEADY && matches!(row.scrape_interval_s, 15 | 60);
    let wanted = rows.iter().filter(|row| row.engine == SPANPIN && row.has_all_bars() == with_bars);
    for row in wanted.filter(|row| with_bars || is_told(row)).take(12) {
        let _ = write!(text, "| {} | {} | {} | {}", row.traffic, row.scrapers, row.scrape_interval_s, figures(row));
    }
    text
}

/// The slowest request shown, in the top bucket and per bucket, for each traffic: ours and some others.
#[must_use]
pub fn by_traffic(rows: &[Row], scrapers: &str, interval_s: u32) -> String {
    let columns = [SPANPIN, PEERS[0], PEERS[2], PEERS[3]];
    let mut text = format!("| traffic | {} |\n| --- |{}\n", columns.join(" | "), " --- |".repeat(columns.len()));
    let here = |row: &&Row| row.scrapers == scrapers && row.scrape_interval_s == interval_s;
    let mut traffics: Vec<&str> = rows.iter().filter(here).map(|row| row.traffic.as_str()).collect();
    traffics.sort_unstable();
    traffics.dedup();
    for traffic in traffics {
        let cell = |engine: &str| {
            let row = rows.iter().filter(here).find(|row| row.engine == engine && row.traffic == traffic)?;
            Some(format!("{} / {}", shown(row.slowest_pct), shown(row.slowest_bucket_pct)))
        };
        let cells: Option<Vec<String>> = columns.iter().map(|engine| cell(engine)).collect();
        if let Some(cells) = cells {
            let _ = writeln!(text, "| {traffic} | {} |", cells.join(" | "));
        }
    }
    text
}

/// The rules that were compared.
#[must_use]
pub fn rules(lines: &[Line]) -> String {
    let mut text = format!(
        "| rule | populated | fresh | slowest | per bucket | start | lost, 15 s | lost, 60 s | oldest s | out of order | \
         random addresses |\n| --- |{}\n",
        " --- |".repeat(10)
    );
    for line in lines.iter().filter(|line| line.rule != SPANPIN) {
        let percents = [
            line.populated_pct,
            line.fresh_pct,
            line.slowest_pct,
            line.slowest_bucket_pct,
            line.early_bucket_pct,
            line.lost_15_pct,
            line.lost_60_pct,
        ];
        let random = line.random.map_or("-".into(), |(out_of_order, exposed)| {
            format!("{} of {}", thousands(out_of_order), thousands(exposed))
        });
        let _ = writeln!(
            text,
            "| {} | {} | {:.0} | {} of {} | {random} |",
            line.rule,
            percents.map(shown).join(" | "),
            line.max_age_s,
            line.out_of_order,
            thousands(line.exposed)
        );
    }
    text
}

fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// Replaces what stands between the markers `name` of a page.
///
/// # Errors
/// The page or its markers are not there.
pub fn put(page: &Path, name: &str, table: &str) -> Result<(), String> {
    let text = fs::read_to_string(page).map_err(|e| format!("{}: {e}", page.display()))?;
    let (begin, end) = (format!("<!-- {name}: generated by make quality -->\n"), format!("<!-- end of {name} -->"));
    let fail = || format!("{} has no markers for {name}", page.display());
    let from = text.find(&begin).ok_or_else(fail)? + begin.len();
    let to = from + text[from..].find(&end).ok_or_else(fail)?;
    let text = format!("{}{table}{}", &text[..from], &text[to..]);
    fs::write(page, text).map_err(|e| format!("{}: {e}", page.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_hundred_reads_as_a_hundred() {
        assert_eq!(shown(100.0), "100");
        assert_eq!(shown(99.9999), "99.99");
        assert_eq!(percent(99.99999), 99.999);
        assert_eq!(thousands(1_234_567), "1,234,567");
    }
}
