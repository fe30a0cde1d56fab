//! Runs a model, and expects it to hold or to fail.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind, set_hook, take_hook};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Once};
use std::time::{Duration, Instant};

/// Executions after which a model ends in the usual run, if it does not say less.
const USUAL: usize = 100_000;
/// What a model with a raised bound may take.
const LONG: Duration = Duration::from_secs(300);

/// A model that was built: what loom repeats, how often it may preempt a thread, and after how many executions it ends
/// in the usual run.
pub(crate) struct Model {
    preemptions: usize,
    most: usize,
    body: Box<dyn Fn() + Send + Sync>,
}

impl Model {
    pub(crate) fn new(preemptions: usize, body: impl Fn() + Send + Sync + 'static) -> Self {
        Model { preemptions, most: USUAL, body: Box::new(body) }
    }

    /// The same, ending earlier.
    pub(crate) fn at_most(self, most: usize) -> Self {
        Model { most, ..self }
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Keeps the expected panics of mutants out of the output.
fn quieten() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = take_hook();
        set_hook(Box::new(move |info| {
            if !QUIET.get() {
                usual(info);
            }
        }));
    });
    QUIET.set(true);
}

fn run(model: Model, extra: usize) -> u64 {
    let runs = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&runs);
    let mut builder = loom::model::Builder::new();
    builder.max_branches = 20_000;
    builder.preemption_bound = Some(model.preemptions + extra);
    builder.checkpoint_interval = 1000;
    if extra > 0 {
        builder.max_duration = Some(LONG);
    } else {
        builder.max_permutations = Some(model.most);
    }
    builder.check(move || {
        counted.fetch_add(1, Ordering::Relaxed);
        (model.body)();
    });
    runs.load(Ordering::Relaxed)
}

/// The model holds for every execution, or for the first of very many. `LOOM_LONG` raises the bound on preemptions by
/// its number and lets a model run for five minutes.
pub(crate) fn holds(name: &str, model: Model) {
    let extra = std::env::var("LOOM_LONG").ok().and_then(|n| n.parse().ok()).unwrap_or(0);
    let (start, most) = (Instant::now(), model.most);
    let runs = run(model, extra);
    let took = start.elapsed();
    let cut_short = if extra > 0 { took >= LONG } else { runs as usize + 1 >= most };
    let extent = if cut_short { "the first" } else { "all" };
    println!("{name}: holds in {extent} {runs} executions, {:.1} s", took.as_secs_f64());
}

/// Some execution of the mutant breaks the model, and in the way that is `expected`.
pub(crate) fn fails(name: &str, expected: &str, model: Model) {
    quieten();
    let start = Instant::now();
    let ended = catch_unwind(AssertUnwindSafe(|| run(model, 0)));
    QUIET.set(false);
    match ended {
        Ok(runs) => panic!("{name}: no execution of {runs} broke the model, one must be {expected:?}"),
        Err(cause) => {
            let text = cause.downcast_ref::<String>().map(String::as_str).or(cause.downcast_ref::<&str>().copied());
            let text = text.unwrap_or("a panic without text");
            assert!(text.contains(expected), "{name}: broke as {text:?}, not as {expected:?}");
            println!("{name}: {text}, {:.1} s", start.elapsed().as_secs_f64());
        }
    }
}

/// One test for each line: the mutant, its model, and what it must break.
macro_rules! mutants {
    ($($mutant:ident in $model:ident: $expected:literal;)*) => {
        $(
            #[test]
            fn $mutant() {
                let name = concat!(stringify!($mutant), " in ", stringify!($model));
                crate::check::fails(name, $expected, crate::sets::$mutant::scenarios::$model());
            }
        )*
    };
}

macro_rules! originals {
    ($($model:ident;)*) => {
        $(
            #[test]
            fn $model() {
                crate::check::holds(stringify!($model), crate::sets::original::scenarios::$model());
            }
        )*
    };
}

pub(crate) use {mutants, originals};
