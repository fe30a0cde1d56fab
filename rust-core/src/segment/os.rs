//! What a segment in a file needs of the system: descriptors, real allocation, mappings, names. Linux only.
//!
//! Calls that newer C libraries renamed go through `syscall`, so that the library still loads on old ones.

use core::ffi::CStr;
use core::ptr::NonNull;

use crate::buffer::{Buffer, DIGITS_MOST, decimal};

/// A call that signals break off again and again is given up after so many times.
const RETRIES: u32 = 10_000;

/// Why a call of the system failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Errno(pub(crate) i32);

impl Errno {
    pub(crate) const MISSING: Errno = Errno(libc::ENOENT);
    pub(crate) const EXISTS: Errno = Errno(libc::EEXIST);
    const MISSING_PROCESS: Errno = Errno(libc::ESRCH);

    fn last() -> Errno {
        // SAFETY: the call has no preconditions.
        let place = unsafe { libc::__errno_location() };
        // SAFETY: the place belongs to this thread and is always valid.
        Errno(unsafe { *place })
    }

    /// What the number means, in words.
    pub(crate) fn put(self, out: &mut Buffer) {
        let text = match self.0 {
            libc::EACCES => "permission denied",
            libc::EPERM => "operation not permitted",
            libc::ENOENT => "no such directory",
            libc::ENOTDIR => "a part of the path is no directory",
            libc::EISDIR => "it is a directory",
            libc::EROFS => "the file system is read-only",
            libc::ENOSPC => "no space left on the file system",
            libc::EDQUOT => "the disk quota is used up",
            libc::EFBIG => "the process' limit of file sizes (ulimit -f) is reached",
            libc::ELOOP => "it is a symbolic link",
            libc::ENXIO => "it is no regular file",
            libc::EMFILE => "the process has too many open files",
            libc::ENFILE => "the system has too many open files",
            libc::ENAMETOOLONG => "the name is too long",
            libc::EOPNOTSUPP => "the file system cannot allocate space ahead (fallocate)",
            libc::ENOMEM => "out of memory",
            _ => "the system refused",
        };
        out.put_str(text);
        out.put_str(" (errno ");
        out.put_u64(u64::from(self.0.unsigned_abs()));
        out.put_str(")");
    }
}

/// Repeats a call that a signal broke off.
fn retried(mut call: impl FnMut() -> i64) -> Result<i64, Errno> {
    for _ in 0..RETRIES {
        let result = call();
        if result >= 0 {
            return Ok(result);
        }
        let error = Errno::last();
        if error.0 != libc::EINTR {
            return Err(error);
        }
    }
    Err(Errno(libc::EINTR))
}

/// A path as the system wants it: closed by a NUL, without one inside.
pub(crate) struct SystemPath(Buffer);

impl SystemPath {
    /// Nothing for a path with a NUL inside, or when memory is short.
    pub(crate) fn new(parts: &[&str]) -> Option<SystemPath> {
        let mut bytes = Buffer::new();
        for part in parts {
            bytes.put_str(part);
        }
        bytes.put(&[0]);
        bytes.finish().ok()?;
        CStr::from_bytes_with_nul(bytes.as_slice()).ok()?;
        Some(SystemPath(bytes))
    }

    fn c_str(&self) -> &CStr {
        CStr::from_bytes_with_nul(self.0.as_slice()).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        self.c_str().to_str().unwrap_or_default()
    }
}

/// Tells a file from every other one of this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileId {
    pub(super) device: u64,
    pub(super) inode: u64,
}

/// What the system says about a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Status {
    pub(crate) id: FileId,
    pub(crate) bytes: u64,
    /// Bytes that have space on the file system.
    pub(crate) allocated: u64,
    pub(crate) is_regular: bool,
    /// The permission bits.
    pub(crate) mode: u32,
    pub(crate) owner: u32,
}

#[allow(clippy::unnecessary_cast, clippy::cast_lossless, reason = "the fields' types differ between targets")]
fn status_of(fd: libc::c_int) -> Result<Status, Errno> {
    // SAFETY: all zeros are a valid `stat`.
    let mut stat: libc::stat = unsafe { core::mem::zeroed() };
    let place = &raw mut stat;
    retried(|| {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        // SAFETY: `place` is a valid place for the answer, whose form is the kernel's on these targets.
        let result = unsafe { libc::syscall(libc::SYS_fstat, fd, place) } as i64;
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        // SAFETY: `place` is a valid place for the answer.
        let result = i64::from(unsafe { libc::fstat(fd, place) });
        result
    })?;
    Ok(Status {
        id: FileId { device: stat.st_dev as u64, inode: stat.st_ino as u64 },
        bytes: (stat.st_size as i64).unsigned_abs(),
        allocated: (stat.st_blocks as i64).unsigned_abs().saturating_mul(512),
        is_regular: stat.st_mode as u32 & libc::S_IFMT as u32 == libc::S_IFREG as u32,
        mode: stat.st_mode as u32 & 0o7777,
        owner: stat.st_uid as u32,
    })
}

/// An open file. A process that became a daemon may have closed the descriptor and used its number again, so every use
/// that changes something looks first whether it still is this file.
pub(crate) struct File {
    fd: libc::c_int,
    id: FileId,
}

/// Who else may have the lock of a byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LockKind {
    /// Nobody.
    Alone,
    /// All that want it so.
    Together,
}

impl File {
    /// Opens a file for reading and writing. A symbolic link is not followed; a pipe or a terminal is not waited for.
    pub(crate) fn open(path: &SystemPath) -> Result<File, Errno> {
        File::open_with(path.c_str(), libc::O_RDWR | libc::O_NOFOLLOW, 0)
    }

    /// Makes a file that was not there.
    pub(crate) fn create(path: &SystemPath) -> Result<File, Errno> {
        File::open_with(path.c_str(), libc::O_RDWR | libc::O_CREAT | libc::O_EXCL | libc::O_NOFOLLOW, 0o600)
    }

    /// The same file once more, as an open file of its own: a child of fork shares those of its parent, with their locks.
    /// Needs no memory, so that it can be called in a child of fork.
    pub(crate) fn open_own(&self) -> Result<File, Errno> {
        let mut path = *b"/proc/self/fd/__________\0";
        let mut room = [0; DIGITS_MOST];
        let digits = decimal(self.fd.unsigned_abs().into(), &mut room);
        for (to, from) in path.iter_mut().skip(14).zip(digits.iter().chain(&[0])) {
            *to = *from;
        }
        let path = CStr::from_bytes_until_nul(&path).unwrap_or_default();
        // The name is a link, which is to be followed.
        File::open_with(path, libc::O_RDWR, 0)
            .and_then(|own| if own.id == self.id { Ok(own) } else { Err(Errno::MISSING) })
    }

    /// The descriptor's number and the file, to be remembered outside of this value.
    pub(super) fn into_parts(self) -> (i32, FileId) {
        let parts = (self.fd, self.id);
        core::mem::forget(self);
        parts
    }

    /// The number of the descriptor.
    pub(super) fn number(&self) -> i32 {
        self.fd
    }

    /// What `into_parts` or `number` gave. It may have been closed meanwhile, as every use finds out; dropping it closes it.
    pub(super) fn of_parts(fd: i32, id: FileId) -> File {
        File { fd, id }
    }

    /// Takes the lock of one byte until this open file is closed everywhere. False if another one has it. Never waits.
    pub(crate) fn lock(&self, byte: u64, kind: LockKind) -> Result<bool, Errno> {
        if self.status().is_none() {
            return Err(Errno(libc::EBADF));
        }
        let kind = match kind {
            LockKind::Alone => libc::F_WRLCK,
            LockKind::Together => libc::F_RDLCK,
        };
        match lock_call(self.fd, libc::F_OFD_SETLK, kind, byte, 1) {
            Ok(_) => Ok(true),
            Err(Errno(libc::EAGAIN | libc::EACCES)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Gives back what `lock` took.
    pub(crate) fn unlock(&self, byte: u64) {
        if self.status().is_some() {
            let _ = lock_call(self.fd, libc::F_OFD_SETLK, libc::F_UNLCK, byte, 1);
        }
    }

    fn open_with(path: &CStr, flags: libc::c_int, mode: libc::c_uint) -> Result<File, Errno> {
        let flags = flags | libc::O_CLOEXEC | libc::O_NONBLOCK | libc::O_NOCTTY;
        let path = path.as_ptr();
        // SAFETY: `path` is a C string.
        let mut fd = retried(|| i64::from(unsafe { libc::open(path, flags, mode) }))? as libc::c_int;
        if fd <= 2 {
            // Standard streams were closed: their numbers are not ours to take.
            // SAFETY: duplicates a descriptor that was just opened.
            let other = unsafe { libc::syscall(libc::SYS_fcntl, fd, libc::F_DUPFD_CLOEXEC, 3) } as libc::c_int;
            close(fd);
            if other < 0 {
                return Err(Errno(libc::EMFILE));
            }
            fd = other;
        }
        match status_of(fd) {
            Ok(status) => Ok(File { fd, id: status.id }),
            Err(error) => {
                close(fd);
                Err(error)
            }
        }
    }

    pub(crate) fn id(&self) -> FileId {
        self.id
    }

    /// What the system says about the file; nothing if the descriptor is not ours any more.
    pub(crate) fn status(&self) -> Option<Status> {
        status_of(self.fd).ok().filter(|status| status.id == self.id)
    }

    /// The number that the file's file system has in the system's headers.
    #[allow(clippy::unnecessary_cast, reason = "the field's type differs between targets")]
    pub(crate) fn file_system(&self) -> Result<u32, Errno> {
        // SAFETY: all zeros are a valid `statfs`.
        let mut stat: libc::statfs = unsafe { core::mem::zeroed() };
        let place = &raw mut stat;
        // SAFETY: `place` is a valid place for the answer.
        retried(|| i64::from(unsafe { libc::fstatfs(self.fd, place) }))?;
        Ok(stat.f_type as u32)
    }

    /// Gives the bytes from `from` to before `to` space on the file system, and makes the file that long. What is
    /// there stays. Called directly: the C library's substitute would write into the file.
    pub(crate) fn allocate(&self, from: u64, to: u64) -> Result<(), Errno> {
        if to > file_size_limit() {
            // The call would send a signal that ends the process.
            return Err(Errno(libc::EFBIG));
        }
        if self.status().is_none() {
            return Err(Errno(libc::EBADF));
        }
        let (from, len) = (from as libc::off_t, to.saturating_sub(from) as libc::off_t);
        // SAFETY: changes the file's allocation only.
        retried(|| i64::from(unsafe { libc::fallocate(self.fd, 0, from, len) })).map(|_| ())
    }

    /// Reads the file's first bytes. Returns how many there were.
    pub(crate) fn read_start(&self, into: &mut [u8]) -> Result<usize, Errno> {
        let (place, len) = (into.as_mut_ptr(), into.len());
        // SAFETY: `place` is writable for `len` bytes.
        retried(|| unsafe { libc::pread(self.fd, place.cast(), len, 0) } as i64).map(|n| n as usize)
    }

    pub(crate) fn set_mode(&self, mode: u32) -> Result<(), Errno> {
        // SAFETY: changes the permissions of an open file.
        retried(|| i64::from(unsafe { libc::fchmod(self.fd, mode as libc::mode_t) })).map(|_| ())
    }

    /// Maps `bytes` bytes of the file, whether they are there or not.
    pub(crate) fn map(&self, bytes: usize) -> Result<Mapping, Errno> {
        let prot = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping replaces nothing.
        let base = unsafe { libc::mmap(core::ptr::null_mut(), bytes, prot, libc::MAP_SHARED, self.fd, 0) };
        if base == libc::MAP_FAILED {
            return Err(Errno::last());
        }
        NonNull::new(base.cast()).map(|base| Mapping { base, bytes }).ok_or(Errno(libc::ENOMEM))
    }
}

impl Drop for File {
    fn drop(&mut self) {
        if self.status().is_some() {
            close(self.fd);
        }
    }
}

fn close(fd: libc::c_int) {
    // SAFETY: the descriptor was opened here. An error leaves nothing to do.
    unsafe { libc::close(fd) };
}

#[allow(clippy::unnecessary_cast, clippy::cast_possible_wrap, reason = "the types differ between targets")]
fn lock_call(fd: i32, command: i32, kind: i32, from: u64, bytes: u64) -> Result<i32, Errno> {
    // SAFETY: all zeros are a valid `flock`; the process id in it has to be zero for the locks of open files.
    let mut lock: libc::flock = unsafe { core::mem::zeroed() };
    lock.l_type = kind as libc::c_short;
    lock.l_whence = libc::SEEK_SET as libc::c_short;
    lock.l_start = from as libc::off_t;
    lock.l_len = bytes as libc::off_t;
    let place = &raw mut lock;
    // SAFETY: `place` is a valid place for the question and the answer. Nothing else changes than locks of this open file.
    retried(|| unsafe { libc::syscall(libc::SYS_fcntl, fd, command, place) } as i64)?;
    Ok(i32::from(lock.l_type))
}

/// Whether another open file than this descriptor's has the lock of one of these bytes. The right to read is enough. Nothing
/// where the system cannot tell.
pub(crate) fn is_locked(fd: i32, from: u64, bytes: u64) -> Option<bool> {
    lock_call(fd, libc::F_OFD_GETLK, libc::F_WRLCK, from, bytes).ok().map(|kind| kind != libc::F_UNLCK)
}

/// Has this called in every child that is forked from now on, before anything else of it runs. Not for children that other
/// ways than `fork` make.
pub(crate) fn call_in_children(handler: unsafe extern "C" fn()) {
    // SAFETY: the handler stays, as this library does.
    let _ = unsafe { libc::pthread_atfork(None, None, Some(handler)) };
}

/// The id of this process, and the number of the namespace that it is an id in; zero where that is hidden.
pub(crate) fn own_pid() -> (u64, u64) {
    // SAFETY: the call has no preconditions.
    let pid = u64::from(unsafe { libc::getpid() }.unsigned_abs());
    let namespace = File::open_with(c"/proc/self/ns/pid", libc::O_RDONLY, 0);
    (pid, namespace.map_or(0, |file| file.id.inode))
}

/// Whether this process' namespace has no process of this id.
pub(crate) fn has_no_process(pid: u64) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    // SAFETY: signal zero only asks.
    pid > 0 && unsafe { libc::kill(pid, 0) } != 0 && Errno::last() == Errno::MISSING_PROCESS
}

fn file_size_limit() -> u64 {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: `limit` is a valid place for the answer.
    let failed = unsafe { libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit) } != 0;
    if failed || limit.rlim_cur == libc::RLIM_INFINITY { u64::MAX } else { limit.rlim_cur }
}

/// Gives a file a second name, unless something has it.
pub(crate) fn link(old: &SystemPath, new: &SystemPath) -> Result<(), Errno> {
    let (old, new) = (old.c_str().as_ptr(), new.c_str().as_ptr());
    // SAFETY: both are C strings.
    retried(|| i64::from(unsafe { libc::link(old, new) })).map(|_| ())
}

/// Takes a name away.
pub(crate) fn unlink(path: &SystemPath) {
    // SAFETY: a C string. An error leaves nothing to do.
    unsafe { libc::unlink(path.c_str().as_ptr()) };
}

/// The user whose rights this process has.
pub(crate) fn effective_user() -> u32 {
    // SAFETY: the call has no preconditions.
    unsafe { libc::geteuid() }
}

/// A number that no other process gets.
pub(crate) fn random() -> u64 {
    let mut bytes = [0_u8; 8];
    // SAFETY: `bytes` is writable for its length.
    let got = unsafe { libc::syscall(libc::SYS_getrandom, bytes.as_mut_ptr(), bytes.len(), libc::GRND_NONBLOCK) };
    if got == 8 {
        return u64::from_ne_bytes(bytes);
    }
    // Early at boot, or an old kernel: the address of a local and the time differ enough for a file name.
    crate::hash::fold((&raw const bytes).addr() as u64, &crate::clock::mono_ns().to_le_bytes())
}

/// The id of this boot of the system; zero where it is hidden.
pub(crate) fn boot_id() -> [u64; 2] {
    let read = || {
        let path = SystemPath::new(&["/proc/sys/kernel/random/boot_id"])?;
        let file = File::open_with(path.c_str(), libc::O_RDONLY | libc::O_NOFOLLOW, 0).ok()?;
        let mut text = [0_u8; 36];
        let got = file.read_start(&mut text).ok()?;
        (got == text.len()).then_some(text)
    };
    let Some(text) = read() else { return [0, 0] };
    let digits = text.iter().filter_map(|byte| char::from(*byte).to_digit(16));
    let id = digits.fold(0_u128, |id, digit| id << 4 | u128::from(digit));
    [(id >> 64) as u64, id as u64]
}

/// A file in the process' address space, shared with all others that map it.
pub(crate) struct Mapping {
    base: NonNull<u8>,
    bytes: usize,
}

impl Mapping {
    pub(crate) fn base(&self) -> NonNull<u8> {
        self.base
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the range was mapped with this length, and nobody holds the segment any more.
        unsafe { libc::munmap(self.base.as_ptr().cast(), self.bytes) };
    }
}

// SAFETY: the range belongs to this value; what lies in it is reached through atomics.
unsafe impl Send for Mapping {}
// SAFETY: as above.
unsafe impl Sync for Mapping {}
