//! What the protocol promises against two scrapers: one model for each way in which writers and scrapes can meet. Each
//! scraper has a mark of its own; at the end both scrape again, and a newcomer after them.

use super::super::priority::{SHUT, admission};
use super::world::{Answer, RIGHT, Rules, SCRAPERS, World, judge};
use crate::check::Model;
use crate::sync::atomic::Ordering;

/// What each scraper was shown before and during the race.
type Histories = [Vec<Answer>; SCRAPERS];

/// Lets both scrape again and a newcomer after them, and judges the answers of each. The newcomer must not be shown
/// anything older than either was. The head names what is in the ring.
fn settle(world: &World, histories: Histories) {
    let again = [world.scrape_by(0, true, RIGHT), world.scrape_by(1, false, RIGHT)];
    let newcomer = world.newcomer();
    for (mut history, again) in histories.into_iter().zip(again) {
        history.push(again);
        history.push(newcomer);
        judge(&history);
    }
    let (head, newest) = world.at_rest();
    assert_eq!(head, newest, "the winner of the last window is lost");
}

/// A bucket with an exemplar that both scrapers have seen.
fn seen_by_both(world: &World, priority: u32) -> Histories {
    world.offer(1, priority);
    [vec![world.scrape_by(0, true, RIGHT)], vec![world.scrape_by(1, false, RIGHT)]]
}

fn add(mut histories: Histories, answers: [Answer; SCRAPERS]) -> Histories {
    for (history, answer) in histories.iter_mut().zip(answers) {
        history.push(answer);
    }
    histories
}

/// Two offers of one window meet at the head word; after the one, two scrapes close that window. Whatever wins, the head
/// never goes back, no two exemplars have one admission word, and the best is not lost.
fn head_with(first: u32, second: u32) -> Model {
    Model::new(2, move || {
        let world = World::new();
        let histories = seen_by_both(&world, 5);
        (2..=3).for_each(|id| world.count(id));
        let open = world.epoch.load(Ordering::Relaxed);
        let one = world.spawn(move |w| w.write(open, 2, first, 0));
        let two = world.spawn(move |w| {
            let written = w.write(open, 3, second, 0);
            (written, [w.scrape_by(0, true, RIGHT), w.scrape_by(1, true, RIGHT)])
        });
        let one = one.join().unwrap();
        let (two, answers) = two.join().unwrap();
        let best = admission(open, first.max(second));
        admitted_once(&world, best, [one, two]);
        settle(&world, add(histories, answers));
    })
}

/// No word was admitted twice, and the greatest is the head and was admitted.
fn admitted_once(world: &World, best: u64, written: [Option<(u64, u64)>; 2]) {
    let words = written.map(|w| w.map(|(word, _)| word));
    assert!(words[0].is_none() || words[0] != words[1], "admitted twice: {words:x?}");
    assert_eq!(world.at_rest().0, best, "the head went back");
    assert!(words.contains(&Some(best)), "the best is lost: {words:x?}");
}

pub(crate) fn head() -> Model {
    head_with(6, 7)
}

/// The same with two offers that tie: one of them is admitted.
pub(crate) fn head_tied() -> Model {
    head_with(6, 6)
}

/// The same with two explicit exemplars, which never tie.
pub(crate) fn head_explicit() -> Model {
    Model::new(2, || {
        let world = World::new();
        let histories = seen_by_both(&world, 5);
        (2..=3).for_each(|id| world.count(id));
        let open = world.epoch.load(Ordering::Relaxed);
        let one = world.spawn(move |w| w.write_explicit(open, 2));
        let two = world.spawn(move |w| {
            let written = w.write_explicit(open, 3);
            (written, [w.scrape_by(0, true, RIGHT), w.scrape_by(1, true, RIGHT)])
        });
        let one = one.join().unwrap();
        let (two, answers) = two.join().unwrap();
        admitted_once(&world, admission(open, SHUT + 2), [one, two]);
        settle(&world, add(histories, answers));
    })
}

/// Two scrapers at once, each of which closes the window under a writer.
fn closed_with(rules: Rules) -> Model {
    Model::new(1, move || {
        let world = World::new();
        let histories = seen_by_both(&world, 5);
        let writer = world.spawn(move |w| w.offer_at(2, 6, 0, rules));
        let one = world.spawn(move |w| w.scrape_by(0, true, rules));
        let two = world.spawn(move |w| w.scrape_by(1, true, rules));
        writer.join().unwrap();
        let histories = add(histories, [one.join().unwrap(), two.join().unwrap()]);
        settle(&world, histories);
    })
}

pub(crate) fn closed_under_writer() -> Model {
    closed_with(RIGHT)
}

pub(crate) fn closed_counted_late() -> Model {
    closed_with(Rules { counted_first: false, ..RIGHT })
}

pub(crate) fn closed_cells_first() -> Model {
    closed_with(Rules { cells_last: false, ..RIGHT })
}

/// A writer may publish after its window has closed; a later window has a winner, and two scrapers look at both.
pub(crate) fn published_late() -> Model {
    Model::new(2, || {
        let world = World::new();
        let histories = seen_by_both(&world, 5);
        world.count(2);
        let late = world.epoch.load(Ordering::Relaxed);
        let writer = world.spawn(move |w| w.write(late, 2, 6, 0));
        let others = world.spawn(|w| {
            let one = w.scrape_by(0, true, RIGHT);
            w.offer(3, 4);
            [one, w.scrape_by(1, true, RIGHT)]
        });
        writer.join().unwrap();
        let histories = add(histories, others.join().unwrap());
        settle(&world, histories);
    })
}

/// Two winners of one window, the first of which has moved the head; the second may finish before it, between the two
/// scrapes that close the window, or after them.
pub(crate) fn reverse_order() -> Model {
    Model::new(2, || {
        let world = World::new();
        let histories = seen_by_both(&world, 5);
        (2..=3).for_each(|id| world.count(id));
        let open = world.epoch.load(Ordering::Relaxed);
        let moved = world.move_head(open, 6);
        let second = world.spawn(move |w| w.write(open, 3, 7, 0));
        let others = world.spawn(move |w| {
            w.put(moved, 2, 0);
            [w.scrape_by(0, true, RIGHT), w.scrape_by(1, false, RIGHT)]
        });
        second.join().unwrap();
        let histories = add(histories, others.join().unwrap());
        settle(&world, histories);
    })
}

/// One more winner of a window that has some already. It takes no slot whose exemplar two scrapers may have been shown
/// when it comes.
fn later_winner(earlier: &'static [(u64, u32)]) -> Model {
    Model::new(2, move || {
        let world = World::new();
        let histories = seen_by_both(&world, 5);
        for (id, priority) in earlier {
            world.offer(*id, *priority);
        }
        let later = world.spawn(|w| w.offer(4, 8));
        let scrapers = world.spawn(|w| {
            let first = [w.scrape_by(0, true, RIGHT), w.scrape_by(1, false, RIGHT)];
            (first, w.scrape_by(0, false, RIGHT))
        });
        later.join().unwrap();
        let (answers, again) = scrapers.join().unwrap();
        let mut histories = add(histories, answers);
        histories[0].push(again);
        settle(&world, histories);
    })
}

pub(crate) fn second_of_window() -> Model {
    later_winner(&[(2, 6)])
}

/// Here the ring is full.
pub(crate) fn third_of_window() -> Model {
    later_winner(&[(2, 6), (3, 7)])
}

/// A writer is stopped in its slot; two windows later another takes it; then the first comes back. One scraper may look
/// at the slot of the first, the other at that of the second.
pub(crate) fn stopped_writer() -> Model {
    Model::new(1, || {
        let world = World::new();
        let histories = seen_by_both(&world, 5);
        let stopped = world.spawn(|w| w.offer(2, 6));
        let others = world.spawn(|w| {
            let one = w.scrape_by(0, true, RIGHT);
            w.cut();
            w.offer(3, 7);
            ([one, w.scrape_by(1, false, RIGHT)], [w.scrape_by(0, false, RIGHT), w.scrape_by(1, true, RIGHT)])
        });
        stopped.join().unwrap();
        let (first, second) = others.join().unwrap();
        settle(&world, add(add(histories, first), second));
    })
}
