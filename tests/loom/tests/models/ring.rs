//! The ring, its head and the marks of scrapers.

mod holds {
    crate::check::originals! {
        one_winner;
        two_winners;
        same_window_full;
        stamps;
        equal_stamps;
        late_winner;
        takeover;
        dead_writer_shown;
        spoiled;
        overtaken;
        collected;
        last_of_window;
        protected;
        outdated_winner;
        stopped_in_window;
        grown;
        marked;
    }
}

mod breaks {
    crate::check::mutants! {
        stamp_without_acquire in stamps: "stamps out of order";
        stamp_without_release in stamps: "stamps out of order";
        stamp_may_repeat in equal_stamps: "stamps out of order";
        no_head_check in late_winner: "step back";
        in_place in last_of_window: "step back";
        beaten_unseen in outdated_winner: "step back";
        newest_unprotected in same_window_full: "step back";
        newest_closed_unprotected in protected: "step back";
        no_head_test in overtaken: "step back";
        no_second_collect in collected: "step back";
        collect_relaxed in collected: "step back";
        claim_without_release in collected: "step back";
        next_best_fallback in spoiled: "step back";
        busy_accepted in dead_writer_shown: "step back";
        live_writer_overtaken in stopped_in_window: "taken over";
        used_raised_late in grown: "step back";
        used_raised_if_less in grown: "step back";
        open_window_shown in one_winner: "not closed";
    }

    #[test]
    fn mark_relaxed() {
        let model = crate::sets::original::scenarios::marked_relaxed();
        crate::check::fails("mark_relaxed in marked", "step back", model);
    }

    #[test]
    fn counted_late() {
        let model = crate::sets::original::scenarios::counted_late();
        crate::check::fails("counted_late in one_winner", "not counted", model);
    }

    #[test]
    fn cells_read_first() {
        let model = crate::sets::original::scenarios::cells_read_first();
        crate::check::fails("cells_read_first in one_winner", "not counted", model);
    }
}
