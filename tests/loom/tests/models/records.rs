//! The list of records.

mod holds {
    crate::check::originals! {
        records;
    }
}

mod breaks {
    crate::check::mutants! {
        no_second_walk in records: "duplicate";
        record_not_released in records: "unwritten";
        retry_not_acquired in records: "unwritten";
        head_not_acquired in records: "unwritten";
    }
}
