//! The stripes of a series.

mod holds {
    crate::check::originals! {
        striped;
        made_twice;
    }
}

mod breaks {
    crate::check::mutants! {
        own_stripes_kept in made_twice: "a count is lost";
    }

    #[test]
    fn stripes_read_first() {
        let model = crate::sets::original::scenarios::stripes_read_first();
        crate::check::fails("stripes_read_first in striped", "shown but not counted", model);
    }

    #[test]
    fn known_relaxed() {
        let model = crate::sets::original::scenarios::known_relaxed();
        crate::check::fails("known_relaxed in striped", "shown but not counted", model);
    }
}
