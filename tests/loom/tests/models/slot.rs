//! One slot.

mod holds {
    crate::check::originals! {
        slot_same_window;
        slot_takeover;
        slot_takeover_labels;
        slot_at_rest;
    }
}

mod breaks {
    crate::check::mutants! {
        check_off in slot_takeover: "torn";
        no_release_fence in slot_same_window: "torn";
        no_acquire_fence in slot_same_window: "torn";
        publish_relaxed in slot_at_rest: "unreadable at rest";
        claim_without_acquire in slot_at_rest: "unreadable at rest";
        read_relaxed in slot_at_rest: "unreadable at rest";
        labels_unchecked in slot_takeover_labels: "torn";
    }
}
