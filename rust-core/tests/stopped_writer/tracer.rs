//! Stops one thread of another process before any instruction, as a debugger does, while its other threads go on.

use std::io;
use std::ptr;

use libc::{c_int, c_long, c_void, pid_t};

/// A thread that this thread traces.
pub struct Tracee {
    tid: pid_t,
}

/// Why a traced thread has stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// At an instruction: a step, a breakpoint, or [`trap`].
    Trap,
    Signal(c_int),
    Gone,
}

/// Stops the calling thread for its tracer.
pub fn trap() {
    // SAFETY: raises SIGTRAP, which the tracer takes; no register or memory is touched.
    unsafe { std::arch::asm!("int3") }
}

/// The calling thread's number.
pub fn own_tid() -> pid_t {
    // SAFETY: always succeeds.
    unsafe { libc::gettid() }
}

const BREAKPOINT: u8 = 0xCC;

impl Tracee {
    /// Begins to trace a thread, which goes on. It dies with its tracer.
    pub fn seize(tid: pid_t) -> io::Result<Tracee> {
        let options = libc::PTRACE_O_EXITKILL as usize as *mut c_void;
        let tracee = Tracee { tid };
        tracee.request(libc::PTRACE_SEIZE, ptr::null_mut(), options)?;
        Ok(tracee)
    }

    fn request(&self, request: u32, address: *mut c_void, data: *mut c_void) -> io::Result<c_long> {
        // SAFETY: all requests here read and write memory of the tracee only, or what the caller of this function owns.
        let answer = unsafe { libc::ptrace(request, self.tid, address, data) };
        if answer == -1 { Err(io::Error::last_os_error()) } else { Ok(answer) }
    }

    /// Waits until the thread stops.
    pub fn wait(&self) -> io::Result<Stop> {
        let mut status = 0;
        // SAFETY: `status` is a valid place for the answer.
        let waited = unsafe { libc::waitpid(self.tid, &raw mut status, libc::__WALL) };
        if waited != self.tid {
            return Err(io::Error::last_os_error());
        }
        Ok(if !libc::WIFSTOPPED(status) {
            Stop::Gone
        } else if libc::WSTOPSIG(status) == libc::SIGTRAP {
            Stop::Trap
        } else {
            Stop::Signal(libc::WSTOPSIG(status))
        })
    }

    /// Lets the thread run to its next trap.
    pub fn run(&self) -> io::Result<Stop> {
        self.request(libc::PTRACE_CONT, ptr::null_mut(), ptr::null_mut())?;
        self.wait()
    }

    /// Lets the thread run one instruction.
    pub fn step(&self) -> io::Result<Stop> {
        self.request(libc::PTRACE_SINGLESTEP, ptr::null_mut(), ptr::null_mut())?;
        self.wait()
    }

    /// Lets the thread go, for good.
    pub fn release(self) -> io::Result<()> {
        self.request(libc::PTRACE_DETACH, ptr::null_mut(), ptr::null_mut()).map(|_| ())
    }

    fn registers(&self) -> io::Result<libc::user_regs_struct> {
        let mut registers = std::mem::MaybeUninit::<libc::user_regs_struct>::zeroed();
        self.request(libc::PTRACE_GETREGS, ptr::null_mut(), registers.as_mut_ptr().cast())?;
        // SAFETY: the request has filled it in.
        Ok(unsafe { registers.assume_init() })
    }

    /// The address of the next instruction.
    pub fn at(&self) -> io::Result<u64> {
        Ok(self.registers()?.rip)
    }

    fn go_to(&self, address: u64) -> io::Result<()> {
        let mut registers = self.registers()?;
        registers.rip = address;
        self.request(libc::PTRACE_SETREGS, ptr::null_mut(), (&raw mut registers).cast()).map(|_| ())
    }

    fn word(&self, address: u64) -> io::Result<c_long> {
        let mut word: c_long = 0;
        let (from, to) = (address as *mut c_void, (&raw mut word).cast());
        let local = libc::iovec { iov_base: to, iov_len: size_of::<c_long>() };
        let remote = libc::iovec { iov_base: from, iov_len: size_of::<c_long>() };
        // SAFETY: `local` is a place of its size; the other process' memory is read by the kernel.
        let read = unsafe { libc::process_vm_readv(self.tid, &raw const local, 1, &raw const remote, 1, 0) };
        if read == size_of::<c_long>() as isize { Ok(word) } else { Err(io::Error::last_os_error()) }
    }

    /// Whether the next instruction is a [`trap`].
    pub fn is_at_trap(&self, address: u64) -> io::Result<bool> {
        Ok(self.word(address)? as u8 == BREAKPOINT)
    }

    /// Copies memory of the traced process.
    pub fn read(&self, address: usize, into: &mut [u8]) -> io::Result<()> {
        let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
        let remote = libc::iovec { iov_base: address as *mut c_void, iov_len: into.len() };
        // SAFETY: `local` is a place of its size; the other process' memory is read by the kernel.
        let read = unsafe { libc::process_vm_readv(self.tid, &raw const local, 1, &raw const remote, 1, 0) };
        if read == into.len() as isize { Ok(()) } else { Err(io::Error::last_os_error()) }
    }

    /// Runs to the `nth` time, from 1, that the thread is about to execute the instruction at an address. False if it
    /// came to a trap before.
    pub fn run_to(&self, address: u64, nth: usize) -> io::Result<bool> {
        let word = self.word(address)?;
        let broken = word & !0xFF | c_long::from(BREAKPOINT);
        let put = |word: c_long| self.request(libc::PTRACE_POKETEXT, address as *mut c_void, word as *mut c_void);
        for time in 1..=nth {
            if self.at()? == address {
                // Already there; an execution that is not the wanted one has to be stepped over.
                if time == nth {
                    return Ok(true);
                }
                self.step()?;
                continue;
            }
            put(broken)?;
            let stop = self.run()?;
            put(word)?;
            if stop != Stop::Trap || self.at()? != address + 1 {
                return Ok(false);
            }
            self.go_to(address)?;
            if time < nth {
                self.step()?;
            }
        }
        Ok(true)
    }
}
