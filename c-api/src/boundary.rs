//! Where C's pointers become Rust's references, and back: every cast, every NULL check, all unsafe code.
//!
//! The types here have private fields. Only C makes their values, so each pointer in them is what the header asks
//! for: NULL, or readable for the length beside it until the call returns. A handle is a reference to an object of
//! the core that lives as long as its registry.

use alloc::alloc::{Layout, alloc};
use alloc::boxed::Box;
use alloc::vec::Vec;
use core::ffi::{c_char, c_void};
use core::mem::{MaybeUninit, offset_of};
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use spanpin::buffer::filled;
use spanpin::raw::{Family, Series, StripesWish};
use spanpin::{Error, ErrorCode, Exemplar, Registry};

use crate::exemplar::spanpin_trace_context;
use crate::status::{SPANPIN_STATUS_OK, of, spanpin_status};

/// An out-parameter: memory of the caller that may hold nothing yet.
pub(crate) type Out<'a, T> = Option<&'a mut MaybeUninit<T>>;

/// The first element of an array whose length stands beside it. The header shows it as `const T *`.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Array<T>(*const T);

impl<T> Array<T> {
    /// The `len` elements. `(NULL, 0)` is empty, `(NULL, n)` an error.
    pub(crate) fn elements(&self, len: usize, what: &'static str) -> Result<&[T], Error> {
        if len == 0 {
            return Ok(&[]);
        }
        if self.0.is_null() {
            return Err(Error::quoting(ErrorCode::NullPointer, "", what, " is NULL but its length is not 0"));
        }
        let bytes = len.checked_mul(size_of::<T>()).filter(|bytes| *bytes <= isize::MAX.unsigned_abs());
        if !self.0.is_aligned() || bytes.is_none() {
            return Err(Error::quoting(
                ErrorCode::InvalidArgument,
                "",
                what,
                " is not an array: its address is not aligned, or it is longer than memory",
            ));
        }
        // SAFETY: the pointer is aligned, not NULL, and the length fits the address space – checked above. It is
        // readable for `len` elements during the call – promised by C, which alone makes an `Array`.
        Ok(unsafe { core::slice::from_raw_parts(self.0, len) })
    }

    /// An array of this library's own, valid as long as `elements`; C is told how long.
    pub(crate) fn of(elements: &[T]) -> Self {
        Array(elements.as_ptr())
    }

    /// Whether the pointer is NULL.
    pub(crate) fn is_null(&self) -> bool {
        self.0.is_null()
    }
}

/// Text: a pointer and a length in bytes, not NUL-terminated. (NULL, 0) is the empty text, (NULL, n) an error.
/// Make one with SPANPIN_STR("literal"), or with spanpin_str_of(a NUL-terminated string).
#[repr(C)]
#[derive(Clone, Copy)]
pub struct spanpin_str {
    /// The first byte. Need not be NUL-terminated.
    ptr: Array<c_char>,
    /// The number of bytes.
    len: usize,
}

impl spanpin_str {
    /// Text of this library's own, valid as long as `text`; C is told how long.
    pub(crate) fn of(text: &str) -> Self {
        Self { ptr: Array(text.as_ptr().cast()), len: text.len() }
    }

    pub(crate) fn bytes(&self, what: &'static str) -> Result<&[u8], Error> {
        text_bytes(&self.ptr, self.len, what)
    }

    pub(crate) fn text(&self, what: &'static str) -> Result<&str, Error> {
        core::str::from_utf8(self.bytes(what)?)
            .map_err(|_| Error::quoting(ErrorCode::InvalidUtf8, "", what, " is not valid UTF-8"))
    }
}

/// The bytes of a `(const char *, size_t)` pair.
pub(crate) fn text_bytes<'a>(ptr: &'a Array<c_char>, len: usize, what: &'static str) -> Result<&'a [u8], Error> {
    let chars = ptr.elements(len, what)?;
    // SAFETY: c_char and u8 have one size and alignment and no invalid values; the lifetime stays.
    Ok(unsafe { core::slice::from_raw_parts(chars.as_ptr().cast(), chars.len()) })
}

/// A pointer that a program's callbacks get back. This library never looks behind it.
#[repr(transparent)]
#[derive(Clone, Copy)]
pub struct Context(*mut c_void);

// SAFETY: the pointer is only handed back to the program's own callbacks, of which C is told that they are called from
// any thread.
unsafe impl Send for Context {}
// SAFETY: as above.
unsafe impl Sync for Context {}

/// The value of an environment variable, if it is set.
#[cfg(unix)]
pub(crate) fn environment<'a>(name: &core::ffi::CStr) -> Option<&'a [u8]> {
    // SAFETY: the name ends in NUL. C is told not to change the environment while a registry is made.
    let value = unsafe { libc::getenv(name.as_ptr()) };
    if value.is_null() {
        return None;
    }
    // SAFETY: getenv answered with a text that ends in NUL, and which stays while the environment does.
    Some(unsafe { core::ffi::CStr::from_ptr(value) }.to_bytes())
}

/// There is no environment to read.
#[cfg(not(unix))]
pub(crate) fn environment<'a>(_name: &core::ffi::CStr) -> Option<&'a [u8]> {
    None
}

/// A label of an exemplar.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct spanpin_label {
    /// The name. Legacy names only: [a-zA-Z_][a-zA-Z0-9_]*; a label with another name is left out.
    name: spanpin_str,
    /// The value. Invalid UTF-8 is replaced by U+FFFD; a label with an empty value is left out.
    value: spanpin_str,
}

impl spanpin_label {
    /// A label of this library's own, valid as long as its texts; C is told how long.
    pub(crate) fn of(name: &str, value: &str) -> Self {
        Self { name: spanpin_str::of(name), value: spanpin_str::of(value) }
    }

    pub(crate) fn name(&self) -> Result<&[u8], Error> {
        self.name.bytes("a label's name")
    }

    pub(crate) fn value(&self) -> Result<&[u8], Error> {
        self.value.bytes("a label's value")
    }
}

/// What an observation points to: a span, labels, or both. Names and values of an exemplar have room for 128 code
/// points in all; over that, labels are dropped from the end, ids never.
#[repr(C)]
pub struct spanpin_exemplar<'a> {
    /// The span; NULL for none.
    trace: Option<&'a spanpin_trace_context>,
    /// The first of `labels_len` labels; may be NULL when that is 0.
    labels: Array<spanpin_label>,
    /// The number of labels.
    labels_len: usize,
}

impl spanpin_exemplar<'_> {
    pub(crate) fn trace(&self) -> Option<&spanpin_trace_context> {
        self.trace
    }

    pub(crate) fn has_labels(&self) -> bool {
        self.labels_len != 0
    }

    pub(crate) fn labels(&self) -> Result<&[spanpin_label], Error> {
        self.labels.elements(self.labels_len, "an exemplar's labels")
    }
}

/// The reason of a failure, in memory of the caller. Written on failure only.
#[repr(C)]
pub struct spanpin_error {
    /// The status the call returned.
    code: i32,
    /// What was wrong, the offending value, what is allowed. NUL-terminated UTF-8, cut to fit.
    message: [c_char; 508],
}

/// The end of a call: its status, and on failure the error for the caller.
pub(crate) fn done(result: Result<(), Error>, error: Out<'_, spanpin_error>) -> spanpin_status {
    match result {
        Ok(()) => SPANPIN_STATUS_OK,
        Err(reason) => {
            let code = of(reason.code());
            if let Some(place) = error {
                place.write(spanpin_error { code, message: cut(reason.message()) });
            }
            code
        }
    }
}

fn cut(text: &str) -> [c_char; 508] {
    let mut message = [0; 508];
    let mut end = text.len().min(507);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    for (to, from) in message.iter_mut().zip(text.as_bytes().iter().take(end)) {
        *to = from.cast_signed() as c_char;
    }
    message
}

/// The object behind a handle, or the error for NULL.
pub(crate) fn handle<'a, T>(handle: Option<&'a T>, what: &'static str) -> Result<&'a T, Error> {
    handle.ok_or_else(|| null(what))
}

/// The place of an out-parameter, or the error for NULL.
pub(crate) fn place<'a, T>(out: Out<'a, T>, what: &'static str) -> Result<&'a mut MaybeUninit<T>, Error> {
    out.ok_or_else(|| null(what))
}

#[cold]
pub(crate) fn null(what: &'static str) -> Error {
    Error::quoting(ErrorCode::NullPointer, "", what, " is NULL")
}

/// `Box::new` that can fail instead of stopping the process.
fn boxed<T>(value: T) -> Result<Box<T>, Error> {
    const { assert!(size_of::<T>() > 0) };
    // SAFETY: the size is above zero, asserted when compiling.
    let block = unsafe { alloc(Layout::new::<T>()) }.cast::<T>();
    if block.is_null() {
        return Err(Error::plain(ErrorCode::OutOfMemory));
    }
    // SAFETY: the block was just allocated with the layout of T.
    unsafe { block.write(value) };
    // SAFETY: the block came from the global allocator with the layout of T and holds a T; nobody else has it.
    Ok(unsafe { Box::from_raw(block) })
}

/// A set of metric families with one segment of memory. Every function on it may be called from any thread at any
/// time, except spanpin_registry_free.
pub struct spanpin_registry {
    pub(crate) registry: Registry,
}

impl spanpin_registry {
    /// A registry for C to own; it comes back through `free_registry`.
    pub(crate) fn boxed(registry: Registry) -> Result<Box<Self>, Error> {
        boxed(Self { registry })
    }
}

static DEFAULT: AtomicPtr<spanpin_registry> = AtomicPtr::new(ptr::null_mut());

/// The process's registry, made by the first caller.
pub(crate) fn default_registry(
    make: impl FnOnce() -> Result<Box<spanpin_registry>, Error>,
) -> Result<*mut spanpin_registry, Error> {
    // SYNC(default-registry): Acquire, pairs with the exchange below.
    let there = DEFAULT.load(Ordering::Acquire);
    if !there.is_null() {
        return Ok(there);
    }
    let mine = Box::into_raw(make()?);
    // SYNC(default-registry): Release publishes the registry; Acquire takes over another thread's.
    match DEFAULT.compare_exchange(ptr::null_mut(), mine, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => Ok(mine),
        Err(other) => {
            // SAFETY: `mine` came from a box above and was given to nobody.
            drop(unsafe { Box::from_raw(mine) });
            Ok(other)
        }
    }
}

/// Frees a registry, unless it is the process's own.
pub(crate) fn free_registry(registry: Box<spanpin_registry>) {
    let raw = Box::into_raw(registry);
    if raw != DEFAULT.load(Ordering::Relaxed) {
        // SAFETY: `raw` came from the box that C gave back; C promises that nobody uses it any more.
        drop(unsafe { Box::from_raw(raw) });
    }
}

/// A name with its label names and settings. Lives as long as its registry.
pub struct spanpin_family {
    pub(crate) core: Family,
}

/// Observations of one set of label values in buckets, with their sum. Valid as long as its registry, also when the series was
/// removed.
pub struct spanpin_histogram(());

/// A total that only rises, of one set of label values. Valid as long as its registry, also when the series was removed.
pub struct spanpin_counter(());

/// A value that rises and falls, of one set of label values. Valid as long as its registry, also when the series was removed.
pub struct spanpin_gauge(());

/// A handle of a series: NULL, or what `pointer` has made. It names a series and one of its lives, and is no address.
#[repr(transparent)]
pub struct Handle<T>(*const T);

impl<T> Handle<T> {
    /// The series; nothing for NULL.
    #[inline]
    pub(crate) fn series<'a>(&self) -> Option<Series<'a>> {
        let word = NonNull::new(self.0.cast_mut())?.cast::<c_void>();
        // SAFETY: C has such a word from `pointer`, and is told that it is valid as long as its registry.
        Some(unsafe { Series::at(word) })
    }

    /// The series, or the error for NULL.
    pub(crate) fn get<'a>(&self, what: &'static str) -> Result<Series<'a>, Error> {
        self.series().ok_or_else(|| null(what))
    }
}

/// A series in its present life as a handle for C.
pub(crate) fn pointer<T>(series: Series<'_>) -> Result<*mut T, Error> {
    series.address().map(<*mut c_void>::cast)
}

/// Makes these handles: objects of the core under names that C knows. The core owns them and keeps them in their
/// place as long as the registry, so C gets plain pointers and never frees them.
macro_rules! handles {
    ($($name:ident: $core:ty;)*) => {$(
        // A reference to the core's object and one to the handle are the same.
        const _: () = assert!(offset_of!($name, core) == 0);
        const _: () = assert!(size_of::<$name>() == size_of::<$core>() && align_of::<$name>() == align_of::<$core>());

        impl $name {
            pub(crate) fn pointer(core: &$core) -> *mut Self {
                ptr::from_ref(core).cast_mut().cast()
            }
        }
    )*};
}

handles! {
    spanpin_family: Family;
}

/// What a scraper asks for and who it is. Zero everywhere: text 0.0.4 without compression, an anonymous scraper.
/// Exemplars are shown once to each scraper, so tell them apart: with a name of your own in `scraper`, or by the last
/// four fields, from the HTTP request.
#[repr(C)]
pub struct spanpin_scrape_options {
    /// The Accept header; several lines joined by commas.
    pub(crate) accept: spanpin_str,
    /// The Accept-Encoding header.
    pub(crate) accept_encoding: spanpin_str,
    /// Milliseconds after which the scrape gives up with SPANPIN_STATUS_DEADLINE. 0: never.
    pub(crate) deadline_ms: u32,
    /// A name for the scraper; used instead of the fields below when not empty.
    pub(crate) scraper: spanpin_str,
    /// The User-Agent header.
    pub(crate) user_agent: spanpin_str,
    /// The X-Prometheus-Scrape-Timeout-Seconds header.
    pub(crate) scrape_timeout: spanpin_str,
    /// The path and query of the request.
    pub(crate) path: spanpin_str,
    /// The peer's address without the port.
    pub(crate) peer: spanpin_str,
}

/// A page. Valid until spanpin_scrape_result_free, also after its registry was freed.
#[repr(C)]
pub struct spanpin_scrape_result {
    /// The bytes of the page.
    body: Array<u8>,
    /// How many there are.
    body_len: usize,
    /// The value of the Content-Type header.
    content_type: spanpin_str,
    /// The value of the Content-Encoding header; empty for none.
    content_encoding: spanpin_str,
    /// Belongs to the library.
    owner: *mut c_void,
}

impl spanpin_scrape_result {
    /// Hands a page to C.
    pub(crate) fn of(body: Vec<u8>, content_type: &'static str, content_encoding: &'static str) -> Result<Self, Error> {
        let body = boxed(body)?;
        Ok(Self {
            body: Array(body.as_ptr()),
            body_len: body.len(),
            content_type: spanpin_str::of(content_type),
            content_encoding: spanpin_str::of(content_encoding),
            owner: Box::into_raw(body).cast(),
        })
    }

    /// Takes the page back, and leaves an empty one.
    pub(crate) fn clear(&mut self) {
        let owner = core::mem::replace(&mut self.owner, ptr::null_mut());
        self.body = Array(ptr::null());
        self.body_len = 0;
        self.content_type = spanpin_str { ptr: Array(ptr::null()), len: 0 };
        self.content_encoding = self.content_type;
        if !owner.is_null() {
            // SAFETY: `owner` is the box that `of` gave away; it was set to NULL, so it comes back only once – and C
            // promises that it made no copy of a result to free twice.
            drop(unsafe { Box::from_raw(owner.cast::<Vec<u8>>()) });
        }
    }
}

/// Exemplars of one series, newest first. Valid until spanpin_exemplar_list_free, also after its registry was freed.
#[repr(C)]
pub struct spanpin_exemplar_list {
    /// The first of `exemplars_len` exemplars.
    exemplars: Array<spanpin_exemplar_record>,
    /// How many there are.
    exemplars_len: usize,
    /// Belongs to the library.
    owner: *mut c_void,
}

/// One exemplar of a list.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct spanpin_exemplar_record {
    /// The value that was observed.
    pub(crate) value: f64,
    /// When, in Unix milliseconds.
    pub(crate) timestamp_ms: u64,
    /// The span it points to. An id that it does not have is all zero.
    pub(crate) trace: spanpin_trace_context,
    /// The first of `labels_len` labels beside the ids.
    labels: Array<spanpin_label>,
    /// How many there are.
    labels_len: usize,
}

/// What a list points into.
struct ListOwner {
    records: Vec<spanpin_exemplar_record>,
    /// Whose labels' texts lie in `exemplars`.
    _labels: Vec<spanpin_label>,
    _exemplars: Vec<Exemplar>,
}

impl spanpin_exemplar_list {
    /// Hands exemplars to C.
    pub(crate) fn of(exemplars: Vec<Exemplar>) -> Result<Self, Error> {
        let count = exemplars.iter().map(|exemplar| exemplar.labels.len()).fold(0, usize::saturating_add);
        let mut labels = filled(spanpin_label::of("", ""), count)?;
        let nothing = spanpin_exemplar_record {
            value: 0.0,
            timestamp_ms: 0,
            trace: spanpin_trace_context { trace_id: [0; 16], span_id: [0; 8], flags: 0 },
            labels: Array(ptr::null()),
            labels_len: 0,
        };
        let mut records = filled(nothing, exemplars.len())?;
        let mut rest = labels.as_mut_slice();
        for (record, exemplar) in records.iter_mut().zip(&exemplars) {
            let (own, behind) = rest.split_at_mut_checked(exemplar.labels.len()).unwrap_or_default();
            for (to, (name, value)) in own.iter_mut().zip(&exemplar.labels) {
                *to = spanpin_label::of(name, value);
            }
            record.value = exemplar.value;
            record.timestamp_ms = exemplar.timestamp_ms;
            record.trace.trace_id = exemplar.trace_id.map_or([0; 16], |id| id.to_bytes());
            record.trace.span_id = exemplar.span_id.map_or([0; 8], |id| id.to_bytes());
            record.labels = Array(own.as_ptr());
            record.labels_len = own.len();
            rest = behind;
        }
        let owner = boxed(ListOwner { records, _labels: labels, _exemplars: exemplars })?;
        Ok(Self {
            exemplars: Array(owner.records.as_ptr()),
            exemplars_len: owner.records.len(),
            owner: Box::into_raw(owner).cast(),
        })
    }

    /// Takes the list back, and leaves an empty one.
    pub(crate) fn clear(&mut self) {
        let owner = core::mem::replace(&mut self.owner, ptr::null_mut());
        self.exemplars = Array(ptr::null());
        self.exemplars_len = 0;
        if !owner.is_null() {
            // SAFETY: `owner` is the box that `of` gave away; it was set to NULL, so it comes back only once – and C
            // promises that it made no copy of a list to free twice.
            drop(unsafe { Box::from_raw(owner.cast::<ListOwner>()) });
        }
    }
}

/// Where a series' words lie, for languages that count without a call. docs/segment-layout.md and spanpin_layout.h say
/// which word is what. Valid as long as the registry.
#[repr(C)]
pub struct spanpin_series_view {
    /// The first cell.
    pub(crate) cells: *mut c_void,
    /// The word of its state.
    pub(crate) state: *mut c_void,
    /// What that word is while observations go to these cells. Any other value: it has stripes, takes what finds no place, or was
    /// removed, and a function of this header is to be called.
    pub(crate) plain: u64,
    /// The first gate; NULL for a gauge.
    pub(crate) gates: *mut c_void,
    /// The header of the segment.
    pub(crate) segment: *mut c_void,
    /// The hash of the series, for the policy UNIFORM.
    pub(crate) hash: u64,
    /// The number of gates: a histogram's buckets, 1 for a counter, 0 for a gauge.
    pub(crate) buckets: u32,
    /// SPANPIN_KIND_...
    pub(crate) kind: u32,
    /// SPANPIN_FILTER_...
    pub(crate) filter: u32,
    /// SPANPIN_POLICY_...
    pub(crate) policy: u32,
    /// Not 0 for the series that takes what finds no place; what it counts is tallied as overflow too.
    pub(crate) overflow: u32,
    /// Not 0 when an offer that beats its window must still win a lot: spanpin_histogram_draw, spanpin_counter_draw.
    pub(crate) draws: u32,
    /// The least value that is offered; NaN, which no value reaches, when none is.
    pub(crate) offer_from: f64,
}

impl spanpin_series_view {
    pub(crate) fn of(series: &Series<'_>) -> Self {
        let view = series.view();
        Self {
            cells: view.cells.cast_mut(),
            state: view.state.cast_mut(),
            plain: view.plain,
            gates: view.gates.cast_mut(),
            segment: view.segment.cast_mut(),
            hash: view.hash,
            buckets: view.buckets,
            kind: view.kind as u32,
            filter: view.filter as u32,
            policy: view.policy as u32,
            overflow: view.overflow.into(),
            draws: view.draws.into(),
            offer_from: view.offer_from,
        }
    }
}

/// Striped cells: `stripes` sets of the cells of a series. A thread counts in the set whose number is the upper bits of
/// (what tells the thread apart + salt) * 0x9E3779B97F4A7C15. Valid as long as the registry.
#[repr(C)]
pub struct spanpin_stripes {
    /// The first cell of the first set.
    pub(crate) cells: *mut c_void,
    /// Bytes from one set to the next.
    pub(crate) stripe_bytes: u32,
    /// How many sets there are, a power of two.
    pub(crate) stripes: u32,
    /// Tells this process from others on the segment.
    pub(crate) salt: u64,
}

impl spanpin_stripes {
    /// The stripes of a series, if there are some, after a wish by its number.
    pub(crate) fn of(series: &Series<'_>, wish: u32) -> Option<Self> {
        let wish = match wish {
            0 => StripesWish::Known,
            1 => StripesWish::Any,
            2 => StripesWish::Other,
            _ => return None,
        };
        let view = series.stripes_view(wish)?;
        Some(Self {
            cells: view.cells.cast_mut(),
            stripe_bytes: view.stripe_bytes,
            stripes: view.stripes,
            salt: view.salt,
        })
    }
}

/// What one process adds to a gauge: two words, a generation and behind it the sum (double). Valid as long as the registry.
#[repr(C)]
pub struct spanpin_worker_cell {
    /// The first of the two words.
    pub(crate) cell: *mut c_void,
    /// The cell is this process' own while its first word holds this.
    pub(crate) generation: u64,
}

impl spanpin_worker_cell {
    /// The cell of this process in a gauge, if there is one to be had.
    pub(crate) fn of(series: &Series) -> Option<Self> {
        let found = series.gauge_cell()?;
        Some(Self { cell: found.cell.cast_mut(), generation: found.generation })
    }
}
