//! A growable byte buffer whose every operation can fail instead of panic.
//!
//! `Vec::push` and `Vec::extend_from_slice` keep a reachable panic even after a
//! successful `try_reserve`. The core is proved free of panics when it is
//! linked, so it writes through this buffer.

use alloc::vec::Vec;
use core::fmt;

/// An allocation failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

/// Bytes that grow.
///
/// There are two ways to write. `push…` reports a failed allocation at once.
/// `put…` remembers it, so an encoder stays short and asks [`Buffer::finish`]
/// once at its end; after a failure the content is incomplete.
#[derive(Default, PartialEq, Eq)]
pub struct Buffer {
    bytes: Vec<u8>,
    failed: bool,
}

/// The most characters of a value that [`Buffer::put_quoted`] shows.
const QUOTED_CHARS: usize = 60;
/// The most characters of a path.
const PATH_CHARS: usize = 4096;

impl Buffer {
    /// An empty buffer; allocates nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), failed: false }
    }

    /// An empty buffer with room for `bytes` bytes.
    pub fn with_capacity(bytes: usize) -> Result<Self, OutOfMemory> {
        let mut buffer = Self::new();
        buffer.reserve(bytes)?;
        Ok(buffer)
    }

    /// Makes room for `more` bytes, growing at least twofold when it must grow.
    pub fn reserve(&mut self, more: usize) -> Result<(), OutOfMemory> {
        if self.failed {
            return Err(OutOfMemory);
        }
        self.bytes.try_reserve(more).map_err(|_| OutOfMemory)
    }

    /// The number of bytes written.
    #[must_use]
    #[inline]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing is written.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The bytes allocated.
    #[must_use]
    #[inline]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// The bytes written.
    #[must_use]
    #[inline]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes
    }

    /// Forgets the content and a remembered failure; keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.failed = false;
    }

    /// Shortens the content to `len` bytes; a longer `len` changes nothing.
    pub fn truncate(&mut self, len: usize) {
        self.bytes.truncate(len);
    }

    /// Hands out the bytes as a vector, with its spare capacity.
    #[must_use]
    pub fn into_vec(self) -> Vec<u8> {
        self.bytes
    }

    /// Whether a `put…` failed since the last [`Buffer::clear`].
    #[must_use]
    #[inline]
    pub fn failed(&self) -> bool {
        self.failed
    }

    /// `Err` if a `put…` failed since the last [`Buffer::clear`].
    #[inline]
    pub fn finish(&self) -> Result<(), OutOfMemory> {
        if self.failed { Err(OutOfMemory) } else { Ok(()) }
    }

    /// Appends `bytes`, or appends nothing and fails.
    #[inline]
    pub fn push(&mut self, bytes: &[u8]) -> Result<(), OutOfMemory> {
        let len = self.bytes.len();
        let count = bytes.len();
        if count > self.bytes.capacity().wrapping_sub(len) {
            self.grow(count)?;
        }
        // SAFETY: len <= capacity, so the result stays in the allocation.
        let end = unsafe { self.bytes.as_mut_ptr().add(len) };
        // SAFETY: the capacity holds `count` bytes after `len`, checked or made
        // above; `bytes` is borrowed, so it cannot overlap memory that `self`
        // owns exclusively.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), end, count) };
        // SAFETY: the first `len + count` bytes are initialised and within the
        // capacity, so the sum does not overflow.
        unsafe { self.bytes.set_len(len.wrapping_add(count)) };
        Ok(())
    }

    /// Appends the UTF-8 bytes of `text`.
    #[inline]
    pub fn push_str(&mut self, text: &str) -> Result<(), OutOfMemory> {
        self.push(text.as_bytes())
    }

    /// Appends one byte.
    #[inline]
    pub fn push_byte(&mut self, byte: u8) -> Result<(), OutOfMemory> {
        self.push(&[byte])
    }

    /// Appends the decimal digits of `number`.
    #[inline]
    pub fn push_u64(&mut self, number: u64) -> Result<(), OutOfMemory> {
        if number < 10 {
            return self.push_byte(b'0' | number as u8);
        }
        self.push(decimal(number, &mut [0; DIGITS_MOST]))
    }

    /// Appends `bytes`, remembering a failure.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) {
        if self.push(bytes).is_err() {
            self.failed = true;
        }
    }

    /// Appends again what was written from `start` to `end`; nothing if that is not all within the content.
    #[inline]
    pub fn put_again(&mut self, start: usize, end: usize) {
        let len = self.bytes.len();
        if start > end || end > len {
            return;
        }
        let count = end.wrapping_sub(start);
        if count > self.bytes.capacity().wrapping_sub(len) && self.grow(count).is_err() {
            self.failed = true;
            return;
        }
        let base = self.bytes.as_mut_ptr();
        // SAFETY: start <= len <= capacity, so the result stays in the allocation.
        let from = unsafe { base.add(start) };
        // SAFETY: as above.
        let to = unsafe { base.add(len) };
        // SAFETY: the source ends at `end` <= len, where the target begins at the earliest; the capacity holds `count`
        // bytes after `len`, checked or made above.
        unsafe { core::ptr::copy_nonoverlapping(from, to, count) };
        // SAFETY: the first `len + count` bytes are initialised and within the capacity.
        unsafe { self.bytes.set_len(len.wrapping_add(count)) };
    }

    /// Appends the UTF-8 bytes of `text`, remembering a failure.
    #[inline]
    pub fn put_str(&mut self, text: &str) {
        self.put(text.as_bytes());
    }

    /// Appends one byte, remembering a failure.
    #[inline]
    pub fn put_byte(&mut self, byte: u8) {
        self.put(&[byte]);
    }

    /// Appends the decimal digits of `number`, remembering a failure.
    #[inline]
    pub fn put_u64(&mut self, number: u64) {
        if self.push_u64(number).is_err() {
            self.failed = true;
        }
    }

    /// Appends `value` in double quotes for an error message: at most 60
    /// characters, then `…`; control characters become `?`.
    pub fn put_quoted(&mut self, value: &str) {
        self.put_quoted_upto(value, QUOTED_CHARS);
    }

    /// Appends a path in double quotes, as a whole, for a message that tells where to look: at most 4,096 characters, which
    /// is the longest that Linux takes.
    pub(crate) fn put_path(&mut self, path: &str) {
        self.put_quoted_upto(path, PATH_CHARS);
    }

    fn put_quoted_upto(&mut self, value: &str, most: usize) {
        self.put_byte(b'"');
        let cut = value.char_indices().nth(most).map(|(at, _)| at);
        let shown = cut.and_then(|at| value.get(..at)).unwrap_or(value);
        for byte in shown.bytes() {
            self.put_byte(if byte.is_ascii_control() { b'?' } else { byte });
        }
        if cut.is_some() {
            self.put_str("…");
        }
        self.put_byte(b'"');
    }

    #[cold]
    #[inline(never)]
    fn grow(&mut self, more: usize) -> Result<(), OutOfMemory> {
        self.reserve(more)
    }
}

impl fmt::Debug for Buffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.bytes.utf8_chunks() {
            fmt::Debug::fmt(chunk.valid(), f)?;
            if !chunk.invalid().is_empty() {
                f.write_str("…")?;
            }
        }
        Ok(())
    }
}

/// A vector of `count` copies of `value`.
pub fn filled<T: Copy>(value: T, count: usize) -> Result<Vec<T>, OutOfMemory> {
    let mut values = Vec::new();
    values.try_reserve_exact(count).map_err(|_| OutOfMemory)?;
    for slot in values.spare_capacity_mut().iter_mut().take(count) {
        slot.write(value);
    }
    // SAFETY: `try_reserve_exact` made room for at least `count` values, and the
    // loop initialised that many.
    unsafe { values.set_len(count) };
    Ok(values)
}

/// Digits that a `u64` may have.
pub(crate) const DIGITS_MOST: usize = 20;

/// The decimal digits of `number`, which are written to the end of `room`.
#[inline]
pub(crate) fn decimal(number: u64, room: &mut [u8; DIGITS_MOST]) -> &[u8] {
    let mut rest = number;
    let mut first = room.len();
    for pair in room.as_chunks_mut::<2>().0.iter_mut().rev() {
        let below = (rest % 100) as u8;
        rest /= 100;
        // The low half of an ASCII digit is its value.
        *pair = [b'0' | (below / 10), b'0' | (below % 10)];
        first = first.wrapping_sub(2);
        if rest == 0 {
            // A pair below ten begins with a zero that is not written.
            first = first.wrapping_add(usize::from(below < 10));
            break;
        }
    }
    room.get(first..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pushes_append() {
        let mut buffer = Buffer::new();
        assert_eq!(buffer.capacity(), 0);
        buffer.push_str("a").unwrap();
        buffer.push(b"").unwrap();
        buffer.push(&[b'x'; 1000]).unwrap();
        buffer.put_byte(b'z');
        assert_eq!(buffer.len(), 1002);
        assert_eq!(buffer.as_slice().first(), Some(&b'a'));
        assert_eq!(buffer.as_slice().last(), Some(&b'z'));
        buffer.truncate(1);
        assert_eq!(buffer.as_slice(), b"a");
        assert_eq!(buffer.finish(), Ok(()));
    }

    #[test]
    fn what_was_written_is_repeated() {
        let mut buffer = Buffer::new();
        buffer.put_str("name{");
        for _ in 0..3 {
            buffer.put_again(0, 5);
        }
        buffer.put_again(20, 21);
        buffer.put_again(3, 2);
        assert_eq!(buffer.as_slice(), b"name{name{name{name{");
    }

    #[test]
    fn decimal_digits() {
        for number in [0, 7, 9, 10, 99, 100, 101, 999, 1000, 12345, u64::from(u32::MAX), 10_u64.pow(19), u64::MAX] {
            let mut buffer = Buffer::new();
            buffer.put_u64(number);
            assert_eq!(buffer.as_slice(), alloc::format!("{number}").as_bytes());
        }
    }

    #[test]
    fn a_failure_is_remembered() {
        let mut buffer = Buffer::new();
        assert_eq!(buffer.reserve(usize::MAX), Err(OutOfMemory));
        assert!(!buffer.failed());
        buffer.failed = true;
        assert_eq!(buffer.finish(), Err(OutOfMemory));
        assert_eq!(buffer.push(b"a"), Err(OutOfMemory));
        buffer.clear();
        assert_eq!(buffer.push(b"a"), Ok(()));
    }

    #[test]
    fn quoted_values_are_shortened() {
        let mut buffer = Buffer::new();
        buffer.put_quoted(&"é".repeat(61));
        let expected = alloc::format!("\"{}…\"", "é".repeat(60));
        assert_eq!(core::str::from_utf8(buffer.as_slice()), Ok(expected.as_str()));
    }

    #[test]
    fn vectors() {
        assert_eq!(filled(7u32, 3).unwrap(), [7, 7, 7]);
        assert_eq!(filled(0u64, usize::MAX), Err(OutOfMemory));
    }
}
