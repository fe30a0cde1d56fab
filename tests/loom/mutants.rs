// The mutants: each is the protocol with one named mistake. A replacement whose text does not occur exactly once in
// the real file fails the build, so that a mutant can never silently become the original.

/// A file, its text, and what the mutant has in its place.
pub(crate) type Replacement = (&'static str, &'static str, &'static str);

const CHECK: Replacement = (
    "slot",
    "(unchanged && sum == check_of(self.place, expected, &payload, labels.get(..count)?)).then_some(payload)",
    "let _ = (sum, expected, self.place);\n        unchanged.then_some(payload)",
);

pub(crate) const MUTANTS: &[(&str, &[Replacement])] = &[
    // The slot.
    ("check_off", &[CHECK]),
    (
        "publish_relaxed",
        &[(
            "slot",
            "compare_exchange(mine | BUSY, mine, Ordering::Release, Ordering::Relaxed)",
            "compare_exchange(mine | BUSY, mine, Ordering::Relaxed, Ordering::Relaxed)",
        )],
    ),
    (
        "claim_without_acquire",
        &[(
            "slot",
            "mine | BUSY, Ordering::AcqRel, Ordering::Relaxed",
            "mine | BUSY, Ordering::Release, Ordering::Relaxed",
        )],
    ),
    (
        "claim_without_release",
        &[(
            "slot",
            "mine | BUSY, Ordering::AcqRel, Ordering::Relaxed",
            "mine | BUSY, Ordering::Acquire, Ordering::Relaxed",
        )],
    ),
    ("no_release_fence", &[("slot", "fence(Ordering::Release);", ""), CHECK]),
    ("no_acquire_fence", &[("slot", "fence(Ordering::Acquire);", ""), CHECK]),
    (
        "collect_relaxed",
        &[("slot", "self.parts().0.load(Ordering::Acquire)", "self.parts().0.load(Ordering::Relaxed)")],
    ),
    (
        "read_relaxed",
        &[
            ("slot", "self.parts().0.load(Ordering::Acquire)", "self.parts().0.load(Ordering::Relaxed)"),
            (
                "slot",
                "if admission.load(Ordering::Acquire) != expected",
                "if admission.load(Ordering::Relaxed) != expected",
            ),
        ],
    ),
    (
        "labels_unchecked",
        &[
            (
                "slot",
                "sum == check_of(self.place, expected, &payload, labels.get(..count)?)",
                "sum == check_of(self.place, expected, &payload, &[])",
            ),
            ("slot", "check_of(self.place, mine, payload, labels)", "check_of(self.place, mine, payload, &[])"),
        ],
    ),
    (
        "busy_accepted",
        &[
            ("ring", "filter(|(_, a)| is_published(*a) && wanted(*a))", "filter(|(_, a)| *a != 0 && wanted(*a))"),
            ("slot", "sum == check_of(self.place, expected, ", "sum == check_of(self.place, expected & !BUSY, "),
        ],
    ),
    (
        "claim_stored",
        &[(
            "slot",
            "self.parts().0.compare_exchange(seen, mine | BUSY, Ordering::AcqRel, Ordering::Relaxed).is_ok()",
            "self.parts().0.store(mine | BUSY, Ordering::Release);\n        seen != u64::MAX",
        )],
    ),
    (
        "publish_stored",
        &[(
            "slot",
            "admission.compare_exchange(mine | BUSY, mine, Ordering::Release, Ordering::Relaxed).is_ok()",
            "admission.store(mine, Ordering::Release);\n        mine != 0",
        )],
    ),
    (
        "give_up_stored",
        &[(
            "slot",
            "let _ = self.parts().0.compare_exchange(mine | BUSY, 0, Ordering::Relaxed, Ordering::Relaxed);",
            "self.parts().0.store(0, Ordering::Relaxed);",
        )],
    ),
    // The head.
    ("tie_admitted", &[("ring", "if candidate <= seen | LOW_BITS {", "if candidate < seen {")]),
    (
        "head_stored",
        &[(
            "ring",
            "        match head.compare_exchange(seen, candidate, Ordering::Relaxed, Ordering::Relaxed) {\n            \
             Ok(_) => return true,",
            "        match Ok::<(), u64>(head.store(candidate, Ordering::Relaxed)) {\n            \
             Ok(_) => return true,",
        )],
    ),
    (
        "head_tried_once",
        &[(
            "ring",
            "            Ok(_) => return true,\n            Err(now) => seen = now,",
            "            Ok(_) => return true,\n            Err(now) => {\n                seen = now;\n                \
             return false;\n            }",
        )],
    ),
    (
        "explicit_stored",
        &[(
            "ring",
            "        match head.compare_exchange(seen, candidate, Ordering::Relaxed, Ordering::Relaxed) {\n            \
             Ok(_) => return Some(candidate),",
            "        match Ok::<(), u64>(head.store(candidate, Ordering::Relaxed)) {\n            \
             Ok(_) => return Some(candidate),",
        )],
    ),
    (
        "explicit_not_numbered",
        &[("ring", "if epoch_of(seen) == epoch { priority_of(seen).max(SHUT) } else { SHUT }", "SHUT")],
    ),
    // The stamp.
    (
        "stamp_without_acquire",
        &[(
            "ring",
            "compare_exchange(seen, word, Ordering::AcqRel,",
            "compare_exchange(seen, word, Ordering::Release,",
        )],
    ),
    (
        "stamp_without_release",
        &[(
            "ring",
            "compare_exchange(seen, word, Ordering::AcqRel,",
            "compare_exchange(seen, word, Ordering::Acquire,",
        )],
    ),
    ("stamp_may_repeat", &[("ring", "wall_ms.max(last.saturating_add(1))", "wall_ms.max(last)")]),
    ("tie_across_windows", &[("ring", "seen & STAMP_WINDOW_MASK == window;", "seen & STAMP_WINDOW_MASK <= window;")]),
    ("tie_shown_again", &[("ring", "(first & TIED == 0).then_some(payload)", "Some(payload).filter(|_| first != 1)")]),
    // The writer.
    ("no_head_check", &[("ring", "if head.load(Ordering::Relaxed) != candidate {", "if candidate == 0 {")]),
    (
        "in_place",
        &[
            ("ring", "if let Some(victim) = free {", "if let (Some(victim), 0) = (free, open_count) {"),
            ("ring", "if open_count >= 2 {", "if open_count >= 1 {"),
        ],
    ),
    (
        "winner_taken",
        &[("ring", "open_least = open_least.min(admission);", "open_least = admission.max(open_least % u64::MAX);")],
    ),
    ("beaten_unseen", &[("ring", "if admission > candidate {", "if admission == u64::MAX {")]),
    (
        "newest_unprotected",
        &[("ring", "is_published(a) && a != newest && a != newest_closed", "is_published(a) && a != newest_closed")],
    ),
    (
        "newest_closed_unprotected",
        &[("ring", "is_published(a) && a != newest && a != newest_closed", "is_published(a) && a != newest")],
    ),
    (
        "live_writer_overtaken",
        &[("ring", "(is_busy(admission) && epoch_of(admission).saturating_add(2) <= epoch)", "is_busy(admission)")],
    ),
    (
        "used_raised_late",
        &[
            (
                "ring",
                "self.used().fetch_max((index as u64).wrapping_add(1), Ordering::Relaxed);\n                    if slot",
                "if slot",
            ),
            ("ring", "claimed = Some(slot);", "claimed = Some((slot, index));"),
            ("ring", "let Some(slot) = claimed else", "let Some((slot, index)) = claimed else"),
            (
                "ring",
                "if slot.publish(candidate, &content, labels) { Outcome::Admitted(stamp) }",
                "let published = slot.publish(candidate, &content, labels);\n        \
                 self.used().fetch_max((index as u64).wrapping_add(1), Ordering::Relaxed);\n        \
                 if published { Outcome::Admitted(stamp) }",
            ),
        ],
    ),
    (
        "dead_writer_kept",
        &[("ring", "(is_busy(admission) && epoch_of(admission).saturating_add(2) <= epoch)", "false")],
    ),
    ("marks_ignored", &[("ring", "earlier && !separated(epoch_of(*b), epoch_of(a))", "earlier")]),
    (
        "later_dominates",
        &[("ring", "epoch_of(*b) > epoch_of(a) && rank_of(*b) >= rank_of(a)", "epoch_of(*b) > epoch_of(a)")],
    ),
    (
        "used_raised_if_less",
        &[(
            "ring",
            "self.used().fetch_max((index as u64).wrapping_add(1), Ordering::Relaxed);",
            "if self.used().load(Ordering::Relaxed) <= index as u64 {\n                        \
             self.used().fetch_max((index as u64).wrapping_add(1), Ordering::Relaxed);\n                    }",
        )],
    ),
    // The scrape.
    ("age_ignored", &[("ring", "age.is_young(*then_ms).then_some(payload)", "Some(payload).filter(|_| *then_ms > 0)")]),
    (
        "no_head_test",
        &[(
            "ring",
            "if epoch_of(head.load(Ordering::Relaxed)) > open {",
            "if epoch_of(head.load(Ordering::Relaxed)) == u64::MAX {",
        )],
    ),
    ("no_second_collect", &[("ring", "if again != seen {", "if again.len() > SLOTS {")]),
    (
        "next_best_fallback",
        &[(
            "ring",
            "let payload = self.read_young(index, admission, age, labels)?;\n            let [first, ..] = payload;\n            \
             return (first & TIED == 0).then_some(payload);",
            "let _ = (index, admission);\n            \
             let mut rest = seen;\n            \
             while let Some((index, admission)) = best(&rest, |a| epoch_of(a) < open, |_| 0) {\n                \
             if let Some(payload) = self.read_young(index, admission, age, labels) {\n                    \
             return Some(payload);\n                \
             }\n                \
             rest[index] = 0;\n            \
             }\n            \
             return None;",
        )],
    ),
    ("open_window_shown", &[("ring", "(lo..open).contains(&epoch_of(a))", "(lo..=open).contains(&epoch_of(a))")]),
    // The records.
    (
        "no_second_walk",
        &[(
            "publish",
            "                seen = Head(now);\n                finish(seen, &words);",
            "                seen = Head(now);\n                walked = seen;\n                finish(seen, &words);",
        )],
    ),
    (
        "record_not_released",
        &[(
            "publish",
            "next.0, Ordering::Release, Ordering::Acquire)",
            "next.0, Ordering::Relaxed, Ordering::Acquire)",
        )],
    ),
    (
        "retry_not_acquired",
        &[(
            "publish",
            "next.0, Ordering::Release, Ordering::Acquire)",
            "next.0, Ordering::Release, Ordering::Relaxed)",
        )],
    ),
    ("head_not_acquired", &[("publish", "head.load(Ordering::Acquire)", "head.load(Ordering::Relaxed)")]),
    (
        "head_not_finished",
        &[("publish", "        complete(words.state, words.publication, seen.number());", "        let _ = words;")],
    ),
    (
        "finished_blindly",
        &[(
            "life",
            " == ANNOUNCED && (publication.load(Ordering::Relaxed) >> 32) as u32 == number {",
            " == ANNOUNCED {",
        )],
    ),
    (
        "announced_relaxed",
        &[("life", "state.store(word, Ordering::Release);", "state.store(word, Ordering::Relaxed);")],
    ),
    (
        "number_unchecked",
        &[("publish", "        if (publication >> 32) as u32 != number {\n            return None;\n        }\n", "")],
    ),
    ("claim_unfenced", &[("life", "    fence(Ordering::Release);\n", "")]),
    ("still_unfenced", &[("life", "    fence(Ordering::Acquire);\n", "")]),
    (
        "life_not_compared",
        &[(
            "life",
            "state.load(Ordering::Relaxed) & !FLAGS == seen.0 & !FLAGS",
            "{\n        let _ = (state, seen);\n        true\n    }",
        )],
    ),
    // The stripes.
    (
        "own_stripes_kept",
        &[(
            "stripes",
            "Ordering::Acquire).map_or_else(|other| other, |_| mine)",
            "Ordering::Acquire).map_or_else(|_| mine, |_| mine)",
        )],
    ),
    // The cells of a gauge.
    (
        "cell_not_released",
        &[(
            "gauge_cells",
            "owner.store(generation, Ordering::Release);",
            "owner.store(generation, Ordering::Relaxed);",
        )],
    ),
    ("owner_not_acquired", &[("gauge_cells", "owner.load(Ordering::Acquire)", "owner.load(Ordering::Relaxed)")]),
    (
        "shared_not_released",
        &[(
            "gauge_cells",
            "self.mode.swap(MODE_SHARED, Ordering::Release);",
            "self.mode.swap(MODE_SHARED, Ordering::Relaxed);",
        )],
    ),
    (
        "shared_not_acquired",
        &[("gauge_cells", "self.mode.load(Ordering::Acquire)", "self.mode.load(Ordering::Relaxed)")],
    ),
    (
        "own_block_kept",
        &[(
            "gauge_cells",
            "Ordering::AcqRel, Ordering::Acquire).map_or_else(|other| other, |_| mine)",
            "Ordering::AcqRel, Ordering::Acquire).map_or_else(|_| mine, |_| mine)",
        )],
    ),
];

/// Lines that the models repeat in their own words, because what they stand in needs the whole segment or the kernel. Each
/// must occur exactly once in its file, or the models no longer say what the core does.
pub(crate) const REPEATED: &[(&str, &[&str])] = &[
    (
        "exemplar/scrapers.rs",
        &[
            "entry.mark.fetch_max(turn.open, Ordering::Release);",
            "lo = entry.mark.load(Ordering::Acquire).max(joined);",
            "header.scrapers.iter().map(|entry| entry.mark.load(Ordering::Acquire))",
            "window.epoch.fetch_add(1, Ordering::Relaxed).wrapping_add(1)",
        ],
    ),
    (
        "segment/presence.rs",
        &[
            "generation.store(fresh, Ordering::Release);",
            "let locked = worker.filter(|_| own.lock(alive_byte(slot), LockKind::Alone) == Ok(true));",
        ],
    ),
    ("segment/workers.rs", &["file.has_locked(worker.slot) && is_newest() && !file.is_gone(table, worker.slot)"]),
];
