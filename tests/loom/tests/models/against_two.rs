//! The ways in which writers and scrapes can meet, each against two scrapers: what holds, and the mistakes that break it.

/// A slot is published and read.
mod slot_published_and_read {
    crate::check::originals! {
        slot_two_readers;
    }

    crate::check::mutants! {
        no_release_fence in slot_two_readers: "torn";
        no_acquire_fence in slot_two_readers: "torn";
        publish_relaxed in slot_two_readers: "unreadable at rest";
        claim_without_acquire in slot_two_readers: "unreadable at rest";
        read_relaxed in slot_two_readers: "unreadable at rest";
    }
}

/// Two writers meet at the head word.
mod head_word {
    crate::check::originals! {
        head;
        head_tied;
        head_explicit;
    }

    crate::check::mutants! {
        head_stored in head: "the head went back";
        head_tried_once in head: "the head went back";
        tie_admitted in head_tied: "admitted twice";
        explicit_stored in head_explicit: "admitted twice";
        explicit_not_numbered in head_explicit: "admitted twice";
    }
}

/// A scrape closes the window under a writer.
mod window_closed_under_a_writer {
    crate::check::originals! {
        closed_under_writer;
    }

    crate::check::mutants! {
        open_window_shown in closed_under_writer: "not closed";
    }

    #[test]
    fn counted_late() {
        let model = crate::sets::original::scenarios::closed_counted_late();
        crate::check::fails("counted_late in closed_under_writer", "not counted", model);
    }

    #[test]
    fn cells_read_first() {
        let model = crate::sets::original::scenarios::closed_cells_first();
        crate::check::fails("cells_read_first in closed_under_writer", "not counted", model);
    }
}

/// A writer publishes after its window has closed.
mod published_after_the_window {
    crate::check::originals! {
        published_late;
    }

    crate::check::mutants! {
        no_head_check in published_late: "step back";
        stamp_without_acquire in published_late: "step back";
        stamp_without_release in published_late: "step back";
        stamp_may_repeat in published_late: "step back";
    }
}

/// Two winners of one window finish in reverse order, or one comes when the other has been shown.
mod winners_in_reverse_order {
    crate::check::originals! {
        reverse_order;
        second_of_window;
        third_of_window;
    }

    crate::check::mutants! {
        no_head_check in reverse_order: "step back";
        stamp_may_repeat in reverse_order: "step back";
        in_place in second_of_window: "step back";
        winner_taken in third_of_window: "step back";
    }
}

/// The slot of a writer that was stopped is taken, and the writer comes back.
mod slot_of_a_stopped_writer {
    crate::check::originals! {
        stopped_writer;
    }

    crate::check::mutants! {
        check_off in stopped_writer: "torn";
        busy_accepted in stopped_writer: "step back";
        next_best_fallback in stopped_writer: "step back";
        give_up_stored in stopped_writer: "step back";
        publish_stored in stopped_writer: "is lost";
        claim_stored in stopped_writer: "is lost";
    }
}
