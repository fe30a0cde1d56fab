//! Which test of the library finds which mistake, and as what.

use super::mutants::Replacement;

/// A mistake and the tests that must find it.
pub(crate) struct Entry {
    pub(crate) mutant: &'static str,
    /// The test target.
    pub(crate) target: &'static str,
    /// The tests in it, by parts of their names; all if none is given.
    pub(crate) tests: &'static [&'static str],
    /// What they must say: one of these, depending on what is met first.
    pub(crate) expected: &'static [&'static str],
    /// Whether it belongs to the usual run.
    pub(crate) usual: bool,
}

const fn entry(
    mutant: &'static str,
    target: &'static str,
    tests: &'static [&'static str],
    expected: &'static [&'static str],
) -> Entry {
    Entry { mutant, target, tests, expected, usual: false }
}

/// Mistakes in files that the models do not hold, or that need the whole library to be seen.
pub(crate) const LIBRARY: &[(&str, &[Replacement])] = &[
    (
        "newcomer_sees_all",
        &[(
            "exemplar/scrapers.rs",
            "return (newest, enter(header, who, newest, now_ms));",
            "return (0, enter(header, who, newest, now_ms));",
        )],
    ),
    (
        "mark_not_moved",
        &[(
            "exemplar/scrapers.rs",
            "entry.mark.fetch_max(turn.open, Ordering::Release);",
            "let _ = (entry, turn.open);",
        )],
    ),
    ("pool_ignored", &[("exemplar/scrapers.rs", "let joined = joined(header, who, now_ms);", "let joined = 0;")]),
    (
        "joins_unseen",
        &[(
            "exemplar/scrapers.rs",
            "mark.max(lo).max(joined(header, Scraper { id, class }, now_ms))",
            "let _ = Scraper { id, class };\n            mark.max(lo)",
        )],
    ),
    ("trusted_at_once", &[("exemplar/scrapers.rs", "const TRUSTED_FROM: i64 = 4;", "const TRUSTED_FROM: i64 = 1;")]),
    (
        "first_stamp_of_the_clock",
        &[("exemplar/blocks.rs", "if greatest > core.clock.wall_ms() {", "if greatest > u64::MAX - 1 {")],
    ),
    (
        "epoch_not_read_again",
        &[
            (
                "exemplar/offer.rs",
                "priority: u32, context: TraceContext, extra: Option<Extra<'_>>) -> bool {",
                "priority: u32, context: TraceContext, extra: Option<Extra<'_>>, epoch: u64) -> bool {",
            ),
            (
                "exemplar/offer.rs",
                "let epoch = header.window.epoch.load(Ordering::Relaxed);\n        let candidate",
                "let candidate",
            ),
            (
                "exemplar/offer.rs",
                "self.drop_offer(DropReason::Unsampled);\n        }\n        \
                 self.admit(gate, offer, priority, context, extra)",
                "self.drop_offer(DropReason::Unsampled);\n        }\n        \
                 self.admit(gate, offer, priority, context, extra, epoch)",
            ),
            (
                "exemplar/offer.rs",
                "self.admit(gate, offer, priority, context, extra)\n",
                "self.admit(gate, offer, priority, context, extra, core.header.window.epoch.load(Ordering::Relaxed))\n",
            ),
        ],
    ),
    (
        "unsampled_admitted",
        &[(
            "exemplar/offer.rs",
            "if family.rules().filter == Filter::TraceBased && !context.is_sampled() {",
            "if family.rules.filter == Filter::AlwaysOff {",
        )],
    ),
    (
        "clock_not_looked_at",
        &[(
            "exemplar/offer.rs",
            "scrapers::turn_by_time(&core.header, now_ms, WINDOW_MOST_MS);\n        self.refresh_edges",
            "self.refresh_edges",
        )],
    ),
    (
        "counted_after_the_offer",
        &[
            (
                "observe.rs",
                "let left = self.observe_short(value);\n        \
                 !left.is_nothing() && self.offer_left(value, left, span)",
                "let bucket = self.family.bounds.index(value) as u32;\n        \
                 let seed = self.cells().get(bucket as usize + 1).map_or(0, |count| count.load(crate::sync::atomic::Ordering::Relaxed));\n        \
                 let offer = Offer { bucket, value, seed };\n        \
                 let written = self.offer_lazily(Some(offer).filter(|_| !value.is_nan()), span);\n        \
                 self.count_observation(value);\n        \
                 written",
            ),
            (
                "observe.rs",
                "let left = self.observe_short(value);\n        \
                 !left.is_nothing() && self.offer_left_context(value, left, context)",
                "let bucket = self.family.bounds.index(value) as u32;\n        \
                 let seed = self.cells().get(bucket as usize + 1).map_or(0, |count| count.load(crate::sync::atomic::Ordering::Relaxed));\n        \
                 let offer = Offer { bucket, value, seed };\n        \
                 let written = self.offer_lazily(Some(offer).filter(|_| !value.is_nan()), || Some(*context));\n        \
                 self.count_observation(value);\n        \
                 written",
            ),
        ],
    ),
    (
        "limit_not_checked",
        &[("core.rs", "if !add_within(used, bytes, most) {", "if !add_within(used, bytes, most + 768) {")],
    ),
    ("limit_not_given_back", &[("exemplar/blocks.rs", "core.discharge_exemplars(bytes);", "let _ = bytes;")]),
];

const RULE: &[&str] = &["the_rule_says"];
const CROWDED: &[&str] = &["a_slow_scraper"];
const MANY: &[&str] = &["many_scrapers"];
const LIMIT: &[&str] = &["memory_limit"];
const OFFER: &[&str] = &["an_offer"];
const LABELLED: &[&str] = &["a_labelled_offer"];
const SCRAPE: &[&str] = &["a_scrape"];

/// What is shown is not what the rule says.
const SHOWN: &[&str] = &["not by the rule", "step back", "expired"];
/// What is shown after a stop cannot be.
const STOPPED: &[&str] = &["step back", "torn"];

pub(crate) const ENTRIES: &[Entry] = &[
    // What is shown, by whom, with which stamp.
    Entry { usual: true, ..entry("open_window_shown", "properties", RULE, SHOWN) },
    entry("age_ignored", "properties", RULE, SHOWN),
    Entry { usual: true, ..entry("marks_ignored", "properties", CROWDED, SHOWN) },
    entry("later_dominates", "properties", CROWDED, SHOWN),
    entry("joins_unseen", "properties", CROWDED, SHOWN),
    entry("stamp_may_repeat", "properties", RULE, SHOWN),
    entry("tie_across_windows", "properties", RULE, SHOWN),
    entry("tie_shown_again", "properties", RULE, SHOWN),
    entry("explicit_not_numbered", "properties", RULE, SHOWN),
    entry("first_stamp_of_the_clock", "properties", RULE, SHOWN),
    entry("mark_not_moved", "properties", RULE, SHOWN),
    entry("newcomer_sees_all", "properties", RULE, SHOWN),
    Entry { usual: true, ..entry("newcomer_sees_all", "properties", MANY, &["step back"]) },
    entry("pool_ignored", "properties", RULE, SHOWN),
    entry("trusted_at_once", "properties", RULE, SHOWN),
    entry("epoch_not_read_again", "properties", RULE, SHOWN),
    entry("unsampled_admitted", "properties", RULE, SHOWN),
    entry("clock_not_looked_at", "properties", RULE, SHOWN),
    entry("counted_after_the_offer", "properties", RULE, &["span of"]),
    // Exemplar memory.
    Entry { usual: true, ..entry("limit_not_checked", "properties", LIMIT, &["assertion"]) },
    entry("limit_not_given_back", "properties", LIMIT, &["assertion"]),
    // Who is stopped, and goes on.
    Entry { usual: true, ..entry("check_off", "stopped_writer", OFFER, STOPPED) },
    Entry { usual: true, ..entry("labels_unchecked", "stopped_writer", LABELLED, &["torn"]) },
    entry("no_head_check", "stopped_writer", OFFER, STOPPED),
    entry("busy_accepted", "stopped_writer", OFFER, STOPPED),
    entry("next_best_fallback", "stopped_writer", OFFER, STOPPED),
    entry("claim_stored", "stopped_writer", OFFER, STOPPED),
    entry("publish_stored", "stopped_writer", OFFER, STOPPED),
    entry("give_up_stored", "stopped_writer", OFFER, STOPPED),
    entry("counted_after_the_offer", "stopped_writer", OFFER, &["not counted"]),
    Entry { usual: true, ..entry("no_head_test", "stopped_writer", SCRAPE, STOPPED) },
    entry("dead_writer_kept", "stopped_writer", OFFER, &["too few slots were taken over"]),
    entry("in_place", "stopped_writer", OFFER, STOPPED),
];
