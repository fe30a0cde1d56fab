//! The models, compiled once with the core's files and once with those of every mutant. Those of the ring are here:
//! what scrapes have shown is judged when all threads have ended.

mod one_slot;
mod record_list;
mod striped_cells;
mod two_scrapers;
mod worker_cells;
mod world;

use self::world::{Answer, RIGHT, Rules, World, judge};
use crate::check::Model;
use crate::sync::atomic::Ordering;

pub(crate) use self::one_slot::{slot_at_rest, slot_same_window, slot_takeover, slot_takeover_labels, slot_two_readers};
pub(crate) use self::record_list::{read_while_used_again, records, used_again, walked_while_used_again};
pub(crate) use self::striped_cells::{known_relaxed, made_twice, striped, stripes_read_first};
pub(crate) use self::two_scrapers::{
    closed_cells_first, closed_counted_late, closed_under_writer, head, head_explicit, head_tied, published_late,
    reverse_order, second_of_window, stopped_writer, third_of_window,
};
pub(crate) use self::worker_cells::{
    asked_once, block_made_twice, cell_taken, locked_first, set_beside_adds, slot_claimed, taken_by_two,
};

/// A winner against two scrapes.
fn winner(preemptions: usize, rules: Rules) -> Model {
    Model::new(preemptions, move || {
        let world = World::new();
        world.offer(1, 5);
        let first = world.scrape(true);
        let writer = world.spawn(move |w| w.offer_at(2, 6, 0, rules));
        let scraper = world.spawn(move |w| [w.scrape_with(true, rules), w.scrape_with(true, rules)]);
        writer.join().unwrap();
        let [second, third] = scraper.join().unwrap();
        judge(&[first, second, third, world.scrape(true), world.scrape(false)]);
    })
}

pub(crate) fn one_winner() -> Model {
    winner(2, RIGHT)
}

pub(crate) fn counted_late() -> Model {
    winner(2, Rules { counted_first: false, ..RIGHT })
}

pub(crate) fn cells_read_first() -> Model {
    winner(2, Rules { cells_last: false, ..RIGHT })
}

/// Two late winners of one window against a scrape; the one that moved the head first may finish last.
pub(crate) fn two_winners() -> Model {
    Model::new(2, || {
        let world = World::new();
        world.offer(1, 5);
        let first = world.scrape(true);
        let late = first.open;
        let open = world.cut();
        let writer = world.spawn(move |w| w.write(late, 2, 6, 0));
        let scraper = world.spawn(move |w| w.choose(late, open));
        world.write(late, 3, 7, 0);
        writer.join().unwrap();
        let second = Answer { lo: late, open, shown: scraper.join().unwrap() };
        for answer in [world.choose(open, open), world.choose(1, open)] {
            judge(&[first, second, Answer { lo: open, open, shown: answer }]);
        }
    })
    .at_most(50_000)
}

/// A full ring whose open window has a winner already; a second one of the same window is stopped while the window is
/// closed and shown.
pub(crate) fn same_window_full() -> Model {
    Model::new(2, || {
        let world = World::new();
        world.offer(1, 50);
        world.cut();
        world.offer(2, 5);
        world.cut();
        world.offer(3, 4);
        let writer = world.spawn(|w| w.offer(4, 6));
        let scraper = world.spawn(|w| [w.scrape(true), w.scrape(false), w.scrape(false)]);
        writer.join().unwrap();
        let answers = scraper.join().unwrap();
        judge(&[answers[0], answers[1], answers[2], world.scrape(true)]);
    })
}

/// Of two winners the later one has the later stamp, whatever their clocks say.
fn stamps_with(clocks: [u64; 2]) -> Model {
    Model::new(3, move || {
        let world = World::new();
        let writer = world.spawn(move |w| w.offer_at(1, 9, clocks[0], RIGHT));
        let later = world.spawn(move |w| {
            w.cut();
            w.offer_at(2, 5, clocks[1], RIGHT)
        });
        let (first, second) = (writer.join().unwrap(), later.join().unwrap());
        if let (Some((a, t)), Some((b, u))) = (first, second) {
            assert!((a < b) == (t < u) && t != u, "stamps out of order: {first:?} {second:?}");
        }
    })
}

/// The clock of the first writer is ahead.
pub(crate) fn stamps() -> Model {
    stamps_with([9, 5])
}

pub(crate) fn equal_stamps() -> Model {
    stamps_with([5, 5])
}

/// A winner that was stopped before it took its stamp comes back after a later window has been shown.
pub(crate) fn late_winner() -> Model {
    Model::new(2, || {
        let world = World::new();
        let writer = world.spawn(|w| w.offer(1, 9));
        let later = world.spawn(|w| {
            w.cut();
            w.offer(2, 5)
        });
        writer.join().unwrap();
        later.join().unwrap();
        judge(&[world.scrape(true), world.scrape(true), world.scrape(false)]);
    })
}

/// A writer is stopped for two windows, its slot is given to another, and it comes back.
pub(crate) fn takeover() -> Model {
    Model::new(2, || {
        let world = World::new();
        world.offer(1, 5);
        let first = world.scrape(true);
        let writer = world.spawn(|w| w.offer(2, 6));
        world.cut();
        world.cut();
        world.offer(3, 7);
        let second = world.scrape(true);
        writer.join().unwrap();
        judge(&[first, second, world.scrape(false), world.scrape(true)]);
    })
}

/// A writer is stopped with its slot all but published, which a scrape looks at; then the slot is given to another.
pub(crate) fn dead_writer_shown() -> Model {
    Model::new(2, || {
        let world = World::new();
        world.offer(1, 5);
        let first = world.scrape(true);
        let writer = world.spawn(|w| w.offer(2, 6));
        let others = world.spawn(|w| {
            let second = w.scrape(true);
            w.cut();
            w.offer(3, 7);
            [second, w.scrape(false)]
        });
        writer.join().unwrap();
        let [second, third] = others.join().unwrap();
        judge(&[first, second, third]);
    })
}

/// A writer is stopped before its stores; another takes its slot, publishes and is shown; then the stores come.
pub(crate) fn spoiled() -> Model {
    Model::new(1, || {
        let world = World::new();
        world.offer(1, 5);
        let first = world.scrape(true);
        let writer = world.spawn(|w| w.offer(2, 6));
        let others = world.spawn(|w| {
            w.cut();
            w.cut();
            w.offer(3, 7);
            [w.scrape(true), w.scrape(false)]
        });
        writer.join().unwrap();
        let [second, third] = others.join().unwrap();
        judge(&[first, second, third, world.scrape(false)]);
    })
}

/// Two other scrapes overtake a slow one, and a writer takes the slot of what it would show again.
pub(crate) fn overtaken() -> Model {
    Model::new(1, || {
        let world = World::new();
        world.offer(1, 50);
        let first = world.scrape(true);
        world.offer(2, 5);
        let second = world.scrape(true);
        let slow = world.spawn(|w| w.scrape(true));
        let others = world.spawn(|w| {
            w.cut();
            w.offer(3, 6);
            w.cut();
            w.offer(4, 7);
        });
        others.join().unwrap();
        judge(&[first, second, slow.join().unwrap(), world.scrape(true)]);
    })
}

/// While a scrape collects, a late winner takes a slot it has passed, and a later one the slot of what was shown last.
pub(crate) fn collected() -> Model {
    Model::new(1, || {
        let world = World::new();
        world.offer(1, 2);
        world.cut();
        world.offer(2, 50);
        world.scrape(true);
        world.offer(3, 5);
        let first = world.scrape(true);
        let scraper = world.spawn(|w| w.scrape(true));
        let writers = world.spawn(|w| {
            w.offer(4, 6);
            w.offer(5, 7);
        });
        writers.join().unwrap();
        judge(&[first, scraper.join().unwrap(), world.scrape(false)]);
    })
}

/// A second winner of a window is stopped while the window is closed and its first winner is shown.
pub(crate) fn last_of_window() -> Model {
    Model::new(2, || {
        let world = World::new();
        world.offer(1, 5);
        let first = world.scrape(true);
        world.offer(2, 6);
        let writer = world.spawn(|w| w.offer(3, 7));
        let scraper = world.spawn(|w| [w.scrape(true), w.scrape(false)]);
        writer.join().unwrap();
        let [second, third] = scraper.join().unwrap();
        judge(&[first, second, third, world.scrape(true)]);
    })
}

/// A full ring; the winner of the open window would outrank the newest closed one, which is shown again.
pub(crate) fn protected() -> Model {
    Model::new(2, || {
        let world = World::new();
        world.offer(1, 50);
        world.scrape(true);
        world.offer(2, 5);
        let first = world.scrape(true);
        world.offer(3, 6);
        let writer = world.spawn(|w| w.offer(4, 7));
        let scraper = world.spawn(|w| [w.scrape(false), w.scrape(false)]);
        writer.join().unwrap();
        let [second, third] = scraper.join().unwrap();
        judge(&[first, second, third, world.scrape(false)]);
    })
}

/// A winner is stopped before it looks for a slot; when it comes back, two later windows have been shown or are open.
pub(crate) fn outdated_winner() -> Model {
    Model::new(2, || {
        let world = World::new();
        world.offer(1, 50);
        world.cut();
        let writer = world.spawn(|w| w.offer(2, 3));
        let others = world.spawn(|w| {
            let first = w.scrape(true);
            w.offer(3, 5);
            let second = w.scrape(true);
            w.offer(4, 6);
            [first, second, w.scrape(false)]
        });
        writer.join().unwrap();
        judge(&others.join().unwrap());
    })
}

/// A writer that is stopped for less than two windows keeps its slot.
pub(crate) fn stopped_in_window() -> Model {
    Model::new(2, || {
        let world = World::new();
        let writer = world.spawn(|w| w.offer(1, 3));
        let other = world.spawn(|w| {
            w.cut();
            w.offer(2, 5)
        });
        writer.join().unwrap();
        other.join().unwrap();
        assert_eq!(world.counts[7].load(Ordering::Relaxed), 0, "taken over within two windows");
    })
}

/// A ring whose slots come into use while a scrape looks: a late winner takes a slot never used before, and a winner
/// of the open window, which has seen it, the slot of what was shown.
pub(crate) fn grown() -> Model {
    Model::new(1, || {
        let world = World::new();
        world.offer(1, 50);
        world.scrape(true);
        world.offer(2, 5);
        let first = world.scrape(true);
        let late = first.open;
        let open = world.cut();
        let other = world.spawn(move |w| w.write(open, 4, 7, 0));
        let scraper = world.spawn(move |w| w.choose(late, open));
        world.write(late, 3, 6, 0);
        other.join().unwrap();
        let shown = scraper.join().unwrap();
        judge(&[first, Answer { lo: late, open, shown }]);
    })
    .at_most(50_000)
}

/// Two scrapes of one scraper in two threads: the one that finds the mark of the other shows nothing older.
fn marked_with(rules: Rules) -> Model {
    Model::new(1, move || {
        let world = World::new();
        world.offer(1, 5);
        let before = world.scrape(true);
        let writer = world.spawn(|w| w.offer(2, 6));
        let one = world.spawn(move |w| w.scrape_with(true, rules));
        let two = world.spawn(move |w| w.scrape_with(false, rules));
        writer.join().unwrap();
        let (one, two) = (one.join().unwrap(), two.join().unwrap());
        judge(&[before, one]);
        judge(&[before, two]);
        if two.lo >= one.open {
            judge(&[before, one, two]);
        }
    })
}

pub(crate) fn marked() -> Model {
    marked_with(RIGHT)
}

pub(crate) fn marked_relaxed() -> Model {
    marked_with(Rules { mark_released: false, ..RIGHT })
}
