//! The judge finds what is wrong in an answer: true answers with one thing changed.

use spanpin::{Histogram, Registry, RegistryOptions, ScrapeRequest, Scraper};

use crate::judge::{AGE_MOST_MS, Judge, Made, context, id_labels};

const WALL_MS: u64 = 1_700_000_000_000;
const MONO_MS: u64 = 1_000_000;

struct Bed {
    registry: Registry,
    histogram: Histogram,
    made: Vec<Made>,
    now_ms: u64,
}

impl Bed {
    /// Two buckets with an exemplar each: number 1 of 0.3, number 2 of 0.7.
    fn new() -> Bed {
        let options = RegistryOptions { reserve_bytes: 1 << 20, self_metrics: false, ..Default::default() };
        let registry = Registry::with_options(&options).unwrap();
        let family = registry.histogram("h", "").labels(&["l"]).bounds(&[0.5, 1.0]).register().unwrap();
        let histogram = family.with(&["x"]).unwrap();
        let mut bed = Bed { registry, histogram, made: Vec::new(), now_ms: MONO_MS };
        bed.pass(0);
        bed.observe(0.3);
        bed.observe(0.7);
        bed
    }

    fn pass(&mut self, ms: u64) {
        self.now_ms += ms;
        self.registry.set_clock(WALL_MS + self.now_ms - MONO_MS, self.now_ms);
    }

    fn observe(&mut self, value: f64) {
        let n = self.made.len() as u64 + 1;
        self.histogram.observe_trace(value, context(n, true));
        let total = 1 + self.made.iter().filter(|made| (made.value > 0.5) == (value > 0.5)).count();
        self.made.push(Made {
            series: "h_bucket{l=\"x\"}".to_owned(),
            value,
            labels: id_labels(n),
            total: total as f64,
            mono_ms: self.now_ms,
        });
    }

    fn answer(&mut self) -> String {
        self.pass(1000);
        let scraper = Scraper::named("a");
        let request = ScrapeRequest { accept: "application/openmetrics-text", scraper, ..Default::default() };
        String::from_utf8(self.registry.scrape(&request).unwrap().into_body()).unwrap()
    }

    fn judge(&self, judge: &mut Judge, body: &str) -> Result<usize, String> {
        let made = |n: u64| self.made.get(n.checked_sub(1)? as usize).cloned();
        let samples = judge.answer(0, self.now_ms, body, &made)?;
        Ok(samples.iter().filter(|sample| sample.shown.is_some()).count())
    }
}

/// The true answer passes, and the same with `from` replaced fails as `wanted`.
fn doctored(from: &str, to: &str, wanted: &str) {
    let mut bed = Bed::new();
    let body = bed.answer();
    assert_eq!(bed.judge(&mut Judge::default(), &body), Ok(2), "{body}");
    assert_eq!(body.matches(from).count(), 1, "{from} in {body}");
    let wrong = bed.judge(&mut Judge::default(), &body.replace(from, to)).unwrap_err();
    assert!(wrong.starts_with(wanted), "{wrong:?} is not {wanted:?}");
}

#[test]
fn words_of_two_exemplars_are_torn() {
    doctored("span_id=\"8000000000000001\"", "span_id=\"8000000000000002\"", "torn");
    doctored("} 0.7 1700", "} 0.3 1700", "torn");
    doctored("trace_id=\"9e37", "trace_id=\"3c6e", "torn");
    doctored("\"} 0.7 1700", "\",user=\"u\"} 0.7 1700", "torn");
}

#[test]
fn what_nobody_made_is_torn() {
    let third = |n| format!("{{{}}}", id_labels(n));
    doctored(&third(1), &third(3), "torn: nobody made");
    doctored(&third(1), "{user=\"u\"}", "torn: no number");
}

#[test]
fn another_series_is_torn() {
    doctored("h_bucket{l=\"x\",le=\"0.5\"} 1 #", "h_bucket{l=\"y\",le=\"0.5\"} 1 #", "torn");
}

#[test]
fn bounds_beside_the_value_are_outside() {
    doctored("le=\"0.5\"", "le=\"0.2\"", "outside its bucket");
    doctored("le=\"0.5\"} 1 #", "le=\"0.7\"} 1 #", "outside its bucket");
}

#[test]
fn a_lower_count_is_not_counted() {
    doctored("le=\"0.5\"} 1 #", "le=\"0.5\"} 0 #", "not counted");
    doctored("le=\"1.0\"} 2 #", "le=\"1.0\"} 1 #", "not counted");
}

#[test]
fn a_broken_form_is_found() {
    doctored("# EOF\n", "", "no end");
    doctored("le=\"+Inf\"} 2", "le=\"+Inf\"} 1", "buckets do not rise");
    doctored("le=\"+Inf\"", "le=\"0.8\"", "buckets do not rise");
    doctored(" 0.7 1700000000.000", " 0.7 1700000000", "no milliseconds");
}

#[test]
fn an_old_exemplar_is_expired() {
    let mut bed = Bed::new();
    let body = bed.answer();
    bed.now_ms = MONO_MS + AGE_MOST_MS;
    assert_eq!(bed.judge(&mut Judge::default(), &body), Ok(2));
    bed.now_ms += 1;
    let wrong = bed.judge(&mut Judge::default(), &body).unwrap_err();
    assert!(wrong.starts_with("expired"), "{wrong}");
}

#[test]
fn an_earlier_answer_and_a_repeated_stamp_are_steps_back() {
    let mut bed = Bed::new();
    let first = bed.answer();
    bed.observe(0.2);
    let second = bed.answer();
    let mut judge = Judge::default();
    assert_eq!(bed.judge(&mut judge, &first), Ok(2));
    assert_eq!(bed.judge(&mut judge, &second), Ok(2));
    assert_eq!(bed.judge(&mut judge, &second), Ok(2), "the same again is no step");
    let wrong = bed.judge(&mut judge, &first).unwrap_err();
    assert!(wrong.starts_with("step back"), "{wrong}");

    let stamps = |body: &str| body.split(" 0.2 ").nth(1).unwrap().split('\n').next().unwrap().to_owned();
    let mut judge = Judge::default();
    assert_eq!(bed.judge(&mut judge, &first), Ok(2));
    let wrong = bed.judge(&mut judge, &second.replace(&stamps(&second), "1700000000.000")).unwrap_err();
    assert!(wrong.starts_with("step back"), "{wrong}");
    assert_eq!(bed.judge(&mut Judge::default(), &first), Ok(2), "another judge knows nothing of it");
}
