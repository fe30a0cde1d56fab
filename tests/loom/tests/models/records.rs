//! The records: published, removed, and published again.

mod holds {
    crate::check::originals! {
        records;
        used_again;
        read_while_used_again;
        walked_while_used_again;
    }
}

mod breaks {
    crate::check::mutants! {
        no_second_walk in records: "duplicate";
        record_not_released in records: "duplicate";
        retry_not_acquired in records: "duplicate";
        head_not_acquired in records: "duplicate";
        head_not_finished in records: "duplicate";
        finished_blindly in used_again: "duplicate";
        announced_relaxed in used_again: "duplicate";
        number_unchecked in walked_while_used_again: "lost";
        claim_unfenced in read_while_used_again: "mixed";
        still_unfenced in read_while_used_again: "mixed";
        life_not_compared in read_while_used_again: "mixed";
    }
}
