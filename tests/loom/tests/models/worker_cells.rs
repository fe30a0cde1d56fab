//! Models of a gauge that workers add to, and of the slots of workers. Amounts are whole numbers, floats are the same to them.

use super::super::gauge_cells::{
    GAUGE_CELLS, GaugeWords, MODE_SHARED, MODE_WORKERS, owner_of, publish_block, published_block, take_cell,
};
use crate::check::Model;
use crate::sync::atomic::{AtomicU64, Ordering};
use loom::thread;
use std::sync::Arc;

/// What the worker before left in its cell.
const OF_THE_DEAD: u64 = 100;

/// A gauge, a cell in it, and the slot that the cell belongs to: generation, and the kernel's lock.
struct World {
    gauge: [AtomicU64; GAUGE_CELLS],
    cell: [AtomicU64; 2],
    generation: AtomicU64,
    lock: AtomicU64,
    /// Which of two threads of a process takes a cell.
    alone: AtomicU64,
}

impl World {
    fn new(generation: u64) -> Arc<Self> {
        Arc::new(World {
            gauge: std::array::from_fn(|_| AtomicU64::new(0)),
            cell: [AtomicU64::new(1), AtomicU64::new(OF_THE_DEAD)],
            generation: AtomicU64::new(generation),
            lock: AtomicU64::new(0),
            alone: AtomicU64::new(0),
        })
    }

    fn gauge(&self) -> GaugeWords<'_> {
        GaugeWords::of(&self.gauge).unwrap()
    }

    fn add_in_cell(&self) {
        let [_, value] = &self.cell;
        value.fetch_add(1, Ordering::Relaxed);
    }

    fn cell_value(&self) -> u64 {
        let [_, value] = &self.cell;
        value.load(Ordering::Relaxed)
    }

    /// Adds, as the worker of the second generation.
    fn add(&self) {
        let gauge = self.gauge();
        let mode = match gauge.mode() {
            0 => gauge.decide(MODE_WORKERS),
            mode => mode,
        };
        if mode == MODE_WORKERS {
            take_cell(&self.cell, 2);
            self.add_in_cell();
        } else {
            gauge.value.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn value(&self) -> u64 {
        let gauge = self.gauge();
        match gauge.mode() {
            MODE_WORKERS if owner_of(&self.cell) == 2 => self.cell_value(),
            MODE_WORKERS => 0,
            _ => gauge.value.load(Ordering::Relaxed),
        }
    }
}

/// A worker takes the cell of a dead one while somebody reads it.
pub(crate) fn cell_taken() -> Model {
    Model::new(3, || {
        let world = World::new(2);
        let worker = Arc::clone(&world);
        let worker = thread::spawn(move || {
            take_cell(&worker.cell, 2);
            worker.add_in_cell();
        });
        let reader = Arc::clone(&world);
        let reader = thread::spawn(move || {
            if owner_of(&reader.cell) == 2 {
                assert!(reader.cell_value() <= 1, "what is shown is of the dead");
            }
        });
        worker.join().unwrap();
        reader.join().unwrap();
        assert_eq!(world.cell_value(), 1);
    })
}

/// Two threads of a worker add first at once. The core has a lock for the taking; here the one that comes second waits until
/// the cell is taken, as it would.
pub(crate) fn taken_by_two() -> Model {
    Model::new(3, || {
        let world = World::new(2);
        let threads = [(); 2].map(|()| {
            let world = Arc::clone(&world);
            thread::spawn(move || {
                if owner_of(&world.cell) != 2 {
                    if world.alone.compare_exchange(0, 1, Ordering::Acquire, Ordering::Relaxed).is_err() {
                        return 0;
                    }
                    take_cell(&world.cell, 2);
                }
                world.add_in_cell();
                1
            })
        });
        let added: u64 = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
        assert_eq!(world.cell_value(), added, "an amount is lost");
    })
}

/// One thread adds and looks, another sets: what is seen is the sum so far, or what was set, with or without the amount.
pub(crate) fn set_beside_adds() -> Model {
    Model::new(3, || {
        let world = World::new(2);
        let adding = Arc::clone(&world);
        let adding = thread::spawn(move || {
            adding.add();
            let seen = adding.value();
            assert!([1, 5, 6].contains(&seen), "{seen} was neither added nor set");
        });
        let setting = Arc::clone(&world);
        let setting = thread::spawn(move || setting.gauge().set(5));
        adding.join().unwrap();
        setting.join().unwrap();
        assert_eq!(world.gauge().mode(), MODE_SHARED);
        let seen = world.value();
        assert!([5, 6].contains(&seen), "{seen} was neither added nor set");
    })
}

/// Two processes that make a block at once use the same one.
pub(crate) fn block_made_twice() -> Model {
    Model::new(3, || {
        let word = Arc::new(AtomicU64::new(0));
        let blocks: Arc<[AtomicU64; 2]> = Arc::new(std::array::from_fn(|_| AtomicU64::new(0)));
        let makers = [1, 2].map(|mine: u64| {
            let (word, blocks) = (Arc::clone(&word), Arc::clone(&blocks));
            thread::spawn(move || {
                let block = publish_block(&word, mine);
                blocks[block as usize - 1].fetch_add(1, Ordering::Relaxed);
            })
        });
        for maker in makers {
            maker.join().unwrap();
        }
        let block = published_block(&word);
        assert_eq!(blocks[block as usize - 1].load(Ordering::Relaxed), 2, "an amount is lost");
    })
}

/// A slot changes hands while somebody reads. The kernel's lock is a word that only exchanges touch.
fn claimed(locked_last: bool, asked_twice: bool) -> Model {
    Model::new(3, move || {
        let world = World::new(1);
        let worker = Arc::clone(&world);
        let worker = thread::spawn(move || {
            let lock = |world: &World| world.lock.fetch_add(1, Ordering::AcqRel);
            if !locked_last {
                lock(&worker);
            }
            worker.generation.store(2, Ordering::Release);
            if locked_last {
                lock(&worker);
            }
            take_cell(&worker.cell, 2);
            worker.add_in_cell();
        });
        let reader = Arc::clone(&world);
        let reader = thread::spawn(move || {
            let owner = owner_of(&reader.cell);
            let is_newest = || reader.generation.load(Ordering::Acquire) == owner;
            let is_locked = || reader.lock.fetch_add(0, Ordering::AcqRel) != 0;
            if is_newest() && is_locked() && (!asked_twice || is_newest()) {
                assert!(reader.cell_value() <= 1, "what is shown is of the dead");
            }
        });
        worker.join().unwrap();
        reader.join().unwrap();
    })
}

pub(crate) fn slot_claimed() -> Model {
    claimed(true, true)
}

/// The slot is locked before its generation is raised.
pub(crate) fn locked_first() -> Model {
    claimed(false, true)
}

/// The generation is looked at before the lock only.
pub(crate) fn asked_once() -> Model {
    claimed(true, false)
}
