//! A thread is stopped before each instruction of an observation, or of a scrape, while other threads of its process go
//! on; then it continues.
//!
//! A second process is needed, because a process cannot trace its own threads: it holds the registry, and the thread that
//! is stopped; this one is the debugger. Both talk line by line.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use crate::scene::{Bed, Before, Meanwhile, Role, Scene, act, label};
use crate::tracer::{Stop, Tracee, own_tid, trap};

/// A way in which somebody is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Case {
    pub role: Role,
    pub before: Before,
}

/// Nothing here takes longer, but by being stuck.
const MOST_SECONDS: u32 = 120;
/// So many stops with the table of scrapers locked are played out, in each case.
const PATIENT: u64 = 2;

/// What a run has met.
#[derive(Clone, Copy, Debug, Default)]
pub struct Met {
    /// Instructions of the act.
    pub instructions: u64,
    /// Those that were to be stopped at in the slot: it was claimed, and not yet published.
    pub in_slot: u64,
    pub stops: u64,
    /// Stops at which the slot was seen to be claimed.
    pub busy: u64,
    /// Who was stopped a second time, in the same slot.
    pub again: u64,
    /// Whose slot was another's when it went on.
    pub taken_over: u64,
    /// Stops with the table of scrapers locked: others have to wait for a second until they take the lock for lost. That
    /// is played out for the first of them, for the others only what follows.
    pub locked: u64,
    /// The thread took another way than the first time, and was not stopped.
    pub missed: u64,
}

/// One instruction of the act, as the first run met it.
struct Instruction {
    address: u64,
    /// How often it was met until then, itself included.
    nth: usize,
    in_slot: bool,
}

/// The process with the registry. Gone at the end.
pub struct Child {
    pid: libc::pid_t,
    lines: BufReader<UnixStream>,
    send: UnixStream,
}

/// Where an act is that was to come to an instruction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    There,
    /// It went another way than the first time.
    Elsewhere,
    /// It came to its end.
    End,
}

impl Child {
    pub fn start() -> Child {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(Duration::from_secs(MOST_SECONDS.into()))).unwrap();
        // SAFETY: the child uses what fork leaves it: its own threads, the allocator, a socket. It leaves by _exit.
        match unsafe { libc::fork() } {
            0 => {
                drop(ours);
                // SAFETY: ends this process with the thread that made it.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                // An unwinding panic must not reach the test harness, of which this process has a copy.
                let ended = std::panic::catch_unwind(|| serve(&theirs));
                // SAFETY: ends the child without running anything of the parent's.
                unsafe { libc::_exit(i32::from(ended.is_err())) }
            }
            pid => {
                assert!(pid > 0, "fork failed: {}", std::io::Error::last_os_error());
                drop(theirs);
                Child { pid, lines: BufReader::new(ours.try_clone().unwrap()), send: ours }
            }
        }
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.send, "{line}").unwrap();
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        let read = self.lines.read_line(&mut line);
        if read.is_err() || !line.ends_with('\n') {
            let status = std::fs::read_to_string(format!("/proc/{}/stat", self.pid));
            panic!("the child says nothing more: {read:?}, {status:?}");
        }
        line.trim_end().to_owned()
    }

    /// Starts an act: its thread is traced, and about to execute the first instruction. Answers where the ring lies.
    fn start_act(&mut self, case: usize) -> (Tracee, usize, usize) {
        self.tell(&format!("begin {case}"));
        let line = self.hear();
        let numbers: Vec<usize> = line.split(' ').map(|n| n.parse().unwrap_or_else(|_| panic!("{line}"))).collect();
        let tracee = Tracee::seize(numbers[0] as libc::pid_t).unwrap_or_else(|error| {
            panic!("cannot trace a thread of a child: {error}; allow ptrace (in a container: --cap-add=SYS_PTRACE)")
        });
        self.tell("go");
        assert_eq!(tracee.wait().unwrap(), Stop::Trap);
        self.wait_until_idle();
        (tracee, numbers[1], numbers[2])
    }

    /// Waits until the child's first thread waits for a line: it must not run into a breakpoint.
    fn wait_until_idle(&self) {
        let stat = format!("/proc/{0}/task/{0}/stat", self.pid);
        for _ in 0..100_000 {
            let text = std::fs::read_to_string(&stat).unwrap();
            if text.rsplit(')').next().is_some_and(|rest| rest.starts_with(" S")) {
                return;
            }
            thread::sleep(Duration::from_micros(20));
        }
        panic!("the child is not idle");
    }

    /// The act is at its end: lets the thread go, and has what follows judged.
    fn end_act(&mut self, tracee: Tracee) -> Result<(), String> {
        tracee.release().unwrap();
        self.tell("ended");
        match self.hear().as_str() {
            "good" => Ok(()),
            wrong => Err(wrong.to_owned()),
        }
    }

    /// The instructions of an act that nobody disturbs.
    fn trace(&mut self, case: usize) -> Vec<Instruction> {
        let (tracee, place, bytes) = self.start_act(case);
        let mut met: HashMap<u64, usize> = HashMap::new();
        let mut instructions: Vec<Instruction> = Vec::new();
        let mut ring = vec![0; bytes];
        while let Ok(address) = tracee.at()
            && !tracee.is_at_trap(address).unwrap()
        {
            tracee.read(place, &mut ring).unwrap();
            let admissions = ring[64..].chunks_exact(64).map(|slot| u64::from_le_bytes(slot[..8].try_into().unwrap()));
            let in_slot = admissions.into_iter().any(|admission| admission & 1 != 0);
            // An instruction that repeats itself is one.
            if instructions.last().is_none_or(|last| last.address != address) {
                let nth = met.entry(address).or_default();
                *nth += 1;
                instructions.push(Instruction { address, nth: *nth, in_slot });
            }
            assert_eq!(tracee.step().unwrap(), Stop::Trap);
        }
        assert_eq!(tracee.run().unwrap(), Stop::Trap);
        self.end_act(tracee).unwrap();
        instructions
    }

    /// Lets an act run from one instruction to another.
    fn run_to(tracee: &Tracee, instructions: &[Instruction], from: usize, to: usize) -> Reached {
        // A breakpoint stands where it is met least often, the rest are steps.
        let near = to.saturating_sub(40).max(from)..=to;
        let anchor = near.rev().min_by_key(|i| instructions[*i].nth).unwrap();
        let address = instructions[anchor].address;
        let before = instructions[..from].iter().filter(|i| i.address == address).count();
        if !tracee.run_to(address, instructions[anchor].nth - before).unwrap() {
            return Reached::End;
        }
        for next in &instructions[anchor + 1..=to] {
            let before = tracee.at().unwrap();
            while tracee.at().unwrap() == before {
                tracee.step().unwrap();
            }
            if tracee.at().unwrap() != next.address {
                return Reached::Elsewhere;
            }
        }
        Reached::There
    }

    /// Runs an act with a stop before instruction number `at`, and a second one before `again`. Answers what the child says
    /// of the stop.
    fn stop_at(
        &mut self,
        case: usize,
        instructions: &[Instruction],
        (at, again): (usize, Option<usize>),
        meanwhile: &str,
        met: &mut Met,
    ) -> (String, Result<(), String>) {
        let (tracee, _, _) = self.start_act(case);
        let mut said = "missed".to_owned();
        let mut reached = Child::run_to(&tracee, instructions, 0, at);
        if reached == Reached::There {
            self.tell(&format!("stopped {meanwhile}"));
            said = self.hear();
            if let Some(again) = again {
                self.wait_until_idle();
                reached = Child::run_to(&tracee, instructions, at, again);
                if reached == Reached::There {
                    met.again += 1;
                    self.tell("look");
                    let seen = self.hear();
                    if seen != "good" {
                        said = format!("stopped again at {again}: {seen}");
                    }
                }
            }
        }
        if reached != Reached::End {
            assert_eq!(tracee.run().unwrap(), Stop::Trap, "the act did not come to its end");
        }
        (said, self.end_act(tracee))
    }

    /// Stops an act before the instructions that `wanted` chooses by number and place, and judges what follows. What others
    /// do meanwhile changes from stop to stop; with `all` each of it is done at each instruction in the slot.
    pub fn run(&mut self, case: usize, all: bool, wanted: impl Fn(usize, bool) -> bool) -> Met {
        // The first run of a process takes a way of its own: the allocator gets its memory.
        self.trace(case);
        let instructions = self.trace(case);
        let mut met = Met { instructions: instructions.len() as u64, ..Met::default() };
        let in_slot: Vec<usize> = (0..instructions.len()).filter(|i| instructions[*i].in_slot).collect();
        let chosen = (0..instructions.len()).filter(|i| wanted(*i, instructions[*i].in_slot));
        for (round, at) in chosen.enumerate() {
            let times = if all && instructions[at].in_slot { Meanwhile::ALL.len() } else { 1 };
            for meanwhile in (round..round + times).map(|round| round % Meanwhile::ALL.len()) {
                met.in_slot += u64::from(instructions[at].in_slot);
                // Whether and where in the slot it is stopped a second time changes as well.
                let rest = in_slot.partition_point(|i| *i <= at);
                let again = in_slot[rest..].get(round * 37 % (in_slot.len() - rest).max(1)).copied();
                let again = again.filter(|_| (round / Meanwhile::ALL.len()).is_multiple_of(2));
                self.stop_and_judge(case, &instructions, (at, again), meanwhile, &mut met);
            }
        }
        met
    }

    fn stop_and_judge(
        &mut self,
        case: usize,
        instructions: &[Instruction],
        (at, again): (usize, Option<usize>),
        meanwhile: usize,
        met: &mut Met,
    ) {
        let wanted = if met.locked < PATIENT { format!("{meanwhile} patient") } else { meanwhile.to_string() };
        let (said, ended) = self.stop_at(case, instructions, (at, again), &wanted, met);
        let place = || format!("{:?}, {:?}, instruction {at}", CASES[case], Meanwhile::ALL[meanwhile]);
        match said.as_str() {
            "missed" => met.missed += 1,
            "locked" => met.locked += 1,
            "idle" => met.stops += 1,
            "busy" => (met.stops, met.busy) = (met.stops + 1, met.busy + 1),
            "taken" => (met.stops, met.busy, met.taken_over) = (met.stops + 1, met.busy + 1, met.taken_over + 1),
            wrong => panic!("{}: {wrong}", place()),
        }
        if let Err(wrong) = ended {
            panic!("{}: after it went on: {wrong}", place());
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let mut status = 0;
        // SAFETY: kills the child that this started, and no other process: it has not been waited for.
        unsafe { libc::kill(self.pid, libc::SIGKILL) };
        // SAFETY: reaps it.
        unsafe { libc::waitpid(self.pid, &raw mut status, 0) };
    }
}

/// The cases that the child can play.
pub const CASES: [Case; 9] = {
    use Before::{Full, One, Rival};
    use Role::{Explicit, LabelledOffer, Offer, Scrape};
    [
        Case { role: Offer, before: One },
        Case { role: Offer, before: Rival },
        Case { role: Offer, before: Full },
        Case { role: LabelledOffer, before: One },
        Case { role: LabelledOffer, before: Full },
        Case { role: Explicit, before: One },
        Case { role: Explicit, before: Full },
        Case { role: Scrape, before: One },
        Case { role: Scrape, before: Full },
    ]
};

/// The child: plays one act after the other.
fn serve(socket: &UnixStream) {
    let mut send = socket;
    let mut lines = BufReader::new(socket).lines();
    let mut hear = || lines.next().and_then(Result::ok).unwrap_or_else(|| "quit".to_owned());
    loop {
        let line = hear();
        let Some(case) = line.strip_prefix("begin ").and_then(|n| n.parse::<usize>().ok()) else { return };
        // SAFETY: a watchdog for an act that is stuck.
        unsafe { libc::alarm(MOST_SECONDS) };
        let bed = Bed::new();
        play(CASES[case], &bed, &mut hear, &mut |line| writeln!(send, "{line}").unwrap_or_default());
    }
}

fn play(case: Case, bed: &Bed, hear: &mut dyn FnMut() -> String, tell: &mut dyn FnMut(&str)) {
    let (registry, series) = (bed.registry(), bed.series());
    let mut scene = match Scene::new(case.role, case.before, registry, series) {
        Ok(scene) => scene,
        Err(wrong) => return tell(&format!("before: {wrong}").replace('\n', " ")),
    };
    let words = scene.words();
    let (place, bytes) = words.place();
    thread::scope(|scope| {
        let (say_tid, tid) = mpsc::channel();
        let (go, may_go) = mpsc::channel();
        let label = label();
        let actor = scope.spawn(move || {
            say_tid.send(own_tid()).unwrap();
            may_go.recv().unwrap();
            trap();
            let answer = act(case.role, registry, series, &label);
            trap();
            answer
        });
        tell(&format!("{} {place} {bytes}", tid.recv().unwrap()));
        assert_eq!(hear(), "go");
        go.send(()).unwrap();
        let mut line = hear();
        if let Some(meanwhile) = line.strip_prefix("stopped ") {
            let (busy, locked) = (words.busy(), words.is_table_locked());
            let (meanwhile, patient) = meanwhile.split_once(' ').map_or((meanwhile, false), |(m, _)| (m, true));
            let what = Meanwhile::ALL[meanwhile.parse::<usize>().unwrap()];
            let played = if locked && !patient { Ok(()) } else { scene.meanwhile(what) };
            let said = if let Err(wrong) = played {
                wrong.replace('\n', " ")
            } else if locked {
                "locked".to_owned()
            } else if busy.is_empty() {
                "idle".to_owned()
            } else if words.busy() == busy {
                "busy".to_owned()
            } else {
                "taken".to_owned()
            };
            tell(&said);
            line = hear();
        }
        if line == "look" {
            tell(&scene.look().map_or_else(|wrong| wrong.replace('\n', " "), |()| "good".to_owned()));
            line = hear();
        }
        assert_eq!(line, "ended");
        let followed = scene.afterwards(actor.join().unwrap());
        tell(&followed.map_or_else(|wrong| wrong.replace('\n', " "), |()| "good".to_owned()));
    });
}
