//! The cells of a gauge, and the slots of its workers.

mod holds {
    crate::check::originals! {
        cell_taken;
        taken_by_two;
        set_beside_adds;
        block_made_twice;
        slot_claimed;
    }
}

mod breaks {
    crate::check::mutants! {
        cell_not_released in cell_taken: "of the dead";
        owner_not_acquired in cell_taken: "of the dead";
        shared_not_released in set_beside_adds: "neither added nor set";
        shared_not_acquired in set_beside_adds: "neither added nor set";
        own_block_kept in block_made_twice: "an amount is lost";
    }

    #[test]
    fn locked_first() {
        let model = crate::sets::original::scenarios::locked_first();
        crate::check::fails("locked_first in slot_claimed", "of the dead", model);
    }

    #[test]
    fn asked_once() {
        let model = crate::sets::original::scenarios::asked_once();
        crate::check::fails("asked_once in slot_claimed", "of the dead", model);
    }
}
