//! The real library: loaded through `driver.c`, which calls its C ABI.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::path::Path;
use std::ptr;
use std::sync::{Mutex, PoisonError};

use crate::clock::Clock;
use crate::engine::{Engine, Shown};
use crate::exposition;
use crate::scrapers::Identity;
use crate::traffic::Event;

/// A `quality_driver`.
type Driver = *mut c_void;

#[repr(C)]
struct DriverClock {
    mono_ms: u64,
    wall_ms: u64,
}

#[repr(C)]
struct Request {
    user_agent: *const c_char,
    scrape_timeout: *const c_char,
    path: *const c_char,
    peer: *const c_char,
}

/// The functions of the driver. `driver.c` has the same struct.
#[repr(C)]
struct Functions {
    event_size: usize,
    open: unsafe extern "C" fn(c_int) -> Driver,
    close: unsafe extern "C" fn(Driver),
    set_clock: unsafe extern "C" fn(Driver, u64, u64) -> i32,
    observe: unsafe extern "C" fn(Driver, *const Event, usize, *const DriverClock) -> i32,
    scrape: unsafe extern "C" fn(Driver, *const Request, *mut *const u8, *mut usize) -> i32,
    holdable: unsafe extern "C" fn(*mut libc::pthread_t) -> c_int,
    hold: unsafe extern "C" fn(libc::pthread_t, c_int) -> c_int,
}

/// The driver with the library in it.
#[derive(Clone, Copy)]
pub struct Library {
    functions: &'static Functions,
}

impl Library {
    /// Loads the driver, which stays loaded.
    ///
    /// # Errors
    /// It is not there, or was built from another `driver.c`.
    pub fn load(path: &Path) -> Result<Library, String> {
        let text = CString::new(path.display().to_string()).map_err(|e| e.to_string())?;
        // SAFETY: the path is NUL-terminated; the driver has no initialisers.
        let file = unsafe { libc::dlopen(text.as_ptr(), libc::RTLD_NOW | libc::RTLD_LOCAL) };
        if file.is_null() {
            return Err(format!("{}; `make quality` builds it", last_error()));
        }
        // SAFETY: the file was loaded above, the name is NUL-terminated.
        let found = unsafe { libc::dlsym(file, c"quality_functions".as_ptr()) };
        if found.is_null() {
            return Err(last_error());
        }
        // SAFETY: in driver.c the name stands for a function of this type.
        let get = unsafe { std::mem::transmute::<*mut c_void, unsafe extern "C" fn() -> *const Functions>(found) };
        // SAFETY: it takes nothing and returns the address of a constant.
        let functions = unsafe { get() };
        // SAFETY: a constant of the driver, which stays loaded, with the fields of `Functions`.
        let functions = unsafe { &*functions };
        if functions.event_size == size_of::<Event>() {
            Ok(Library { functions })
        } else {
            Err(format!("{}: events of {} bytes, not {}", path.display(), functions.event_size, size_of::<Event>()))
        }
    }

    /// A registry with one histogram. With `identity_none` its scrapers are not told apart.
    ///
    /// # Errors
    /// The library refuses.
    pub fn open(self, identity_none: bool) -> Result<Histogram, String> {
        // SAFETY: `open` takes any number.
        let driver = unsafe { (self.functions.open)(c_int::from(identity_none)) };
        if driver.is_null() {
            Err("the library cannot make a registry".into())
        } else {
            Ok(Histogram { library: self, driver, page: Mutex::new(()) })
        }
    }

    /// Makes the calling thread one that `hold` may hold.
    ///
    /// # Errors
    /// The system refuses a signal handler.
    pub fn holdable(self) -> Result<HeldThread, String> {
        let mut thread = 0;
        // SAFETY: `thread` is a place for the answer.
        match unsafe { (self.functions.holdable)(&raw mut thread) } {
            0 => Ok(HeldThread { library: self, thread }),
            status => Err(format!("sigaction failed with {status}")),
        }
    }
}

/// A thread that can be held wherever it is. Whoever holds one joins it later than that.
#[derive(Clone, Copy)]
pub struct HeldThread {
    library: Library,
    thread: libc::pthread_t,
}

impl HeldThread {
    /// Holds the thread. It must not have been joined.
    #[must_use]
    pub fn hold(self, microseconds: i32) -> bool {
        // SAFETY: the thread has not been joined, so its id is valid.
        unsafe { (self.library.functions.hold)(self.thread, microseconds) == 0 }
    }
}

/// A histogram of the real library in a registry of its own.
pub struct Histogram {
    library: Library,
    driver: Driver,
    /// Held while the driver has a page in hand.
    page: Mutex<()>,
}

// SAFETY: the C ABI allows every call from any thread, and the driver has no state but the page, which `page` guards.
unsafe impl Send for Histogram {}
// SAFETY: as above.
unsafe impl Sync for Histogram {}

impl Histogram {
    pub fn set_clock(&self, wall_ms: u64, mono_ms: u64) {
        // SAFETY: the driver is valid until it is dropped.
        let status = unsafe { (self.library.functions.set_clock)(self.driver, wall_ms, mono_ms) };
        assert_eq!(status, 0, "set_clock");
    }

    /// Observes; the clock is left alone.
    pub fn observe_now(&self, events: &[Event]) {
        self.observe_with(events, ptr::null());
    }

    fn observe_with(&self, events: &[Event], clock: *const DriverClock) {
        // SAFETY: the driver is valid until it is dropped; it reads `events` and the clock during the call.
        let status = unsafe { (self.library.functions.observe)(self.driver, events.as_ptr(), events.len(), clock) };
        assert_eq!(status, 0, "the library refuses an observation");
    }

    /// Has `read` read the page for a scraper.
    pub fn page<T>(&self, who: &Identity, read: impl FnOnce(&[u8]) -> T) -> T {
        let _held = self.page.lock().unwrap_or_else(PoisonError::into_inner);
        let texts = [who.user_agent, &who.scrape_timeout, who.path, &who.peer].map(|text| CString::new(text).unwrap());
        let [user_agent, scrape_timeout, path, peer] = texts.each_ref().map(|text| CStr::as_ptr(text));
        let request = Request { user_agent, scrape_timeout, path, peer };
        let (mut body, mut len) = (ptr::null(), 0);
        // SAFETY: the driver is valid, the texts live until the end of this function, the out-parameters are places.
        let status =
            unsafe { (self.library.functions.scrape)(self.driver, &raw const request, &raw mut body, &raw mut len) };
        assert_eq!(status, 0, "the library refuses a scrape");
        // SAFETY: on success the driver gives a page that is valid until its next `scrape`, for which this thread would
        // have to give up the lock.
        read(unsafe { std::slice::from_raw_parts(body, len) })
    }
}

impl Drop for Histogram {
    fn drop(&mut self) {
        // SAFETY: nobody else has the driver any more.
        unsafe { (self.library.functions.close)(self.driver) }
    }
}

fn last_error() -> String {
    // SAFETY: dlerror may be called at any time.
    let text = unsafe { libc::dlerror() };
    if text.is_null() {
        return "the driver cannot be loaded".into();
    }
    // SAFETY: it is a NUL-terminated text, valid until the next call of these functions.
    unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()
}

/// The real library as an engine.
pub struct Spanpin {
    histogram: Histogram,
    observed: u64,
}

impl Spanpin {
    #[must_use]
    pub fn new(histogram: Histogram) -> Self {
        Spanpin { histogram, observed: 0 }
    }
}

impl Engine for Spanpin {
    fn observe(&mut self, events: &[Event], clock: &Clock) {
        let clock = DriverClock { mono_ms: clock.mono_start_ms(), wall_ms: clock.wall_start_ms() };
        self.histogram.observe_with(events, &raw const clock);
        self.observed += events.len() as u64;
    }

    fn scrape(&mut self, who: &Identity, at_us: u64, clock: &Clock, shown: &mut Vec<Shown>) {
        self.histogram.set_clock(clock.wall_ms(at_us), clock.mono_ms(at_us));
        let counted = self.histogram.page(who, |page| exposition::read(page, shown));
        assert_eq!(counted, Ok(self.observed), "a page must count what was observed, with whole exemplars");
    }
}
