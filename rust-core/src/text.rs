//! The label texts of a series as a process keeps them. They are replaced when the series is used again for other label
//! values, under the registry's lock, and read without it at any time: the number of the life, looked at before and after,
//! tells whether what was read belongs together.

use alloc::boxed::Box;
use core::ptr::NonNull;

use crate::buffer::{Buffer, filled};
use crate::error::Error;
use crate::memory::{Link, Node, boxed, copy_slice, out_of_memory};
use crate::sync::atomic::{AtomicPtr, AtomicU32, Ordering, fence};

const WORD: usize = size_of::<u32>();

/// The label values as in the record, and behind them the rendered label pairs.
pub(crate) struct Text {
    /// The first word of a block.
    block: AtomicPtr<AtomicU32>,
    values: AtomicU32,
    rendered: AtomicU32,
    /// The life that this is the text of; zero while it is replaced.
    life: AtomicU32,
    /// Where the record lies, in lines. Here, because nothing is lost to padding.
    pub(crate) place: u32,
}

/// Words that a text lies in. The first one tells how many there are, itself included.
struct Block(NonNull<AtomicU32>);

/// A block that got too small for its text. Others may still be reading it.
pub(crate) struct Outgrown {
    _block: Block,
    next: Link<Outgrown>,
}

impl Node for Outgrown {
    fn next(&self) -> &Link<Self> {
        &self.next
    }
    fn next_mut(&mut self) -> &mut Link<Self> {
        &mut self.next
    }
}

impl Block {
    fn with_room(bytes: usize) -> Result<Block, Error> {
        let words = bytes.div_ceil(WORD).saturating_add(1);
        let count = u32::try_from(words).map_err(|_| out_of_memory())?;
        let mut zeros = filled(0_u32, words).map_err(|_| out_of_memory())?;
        if let Some(first) = zeros.first_mut() {
            *first = count;
        }
        Ok(Block(NonNull::from(Box::leak(copy_slice(&zeros)?)).cast()))
    }

    fn words(&self) -> &[AtomicU32] {
        // SAFETY: a block has at least its first word, which never changes.
        let count = unsafe { self.0.as_ref() }.load(Ordering::Relaxed);
        // SAFETY: as `with_room` made it: so many words of a leaked box, which only this value frees.
        unsafe { NonNull::slice_from_raw_parts(self.0, count as usize).as_ref() }
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        let words = core::ptr::from_ref(self.words()).cast_mut() as *mut [u32];
        // SAFETY: the box that `with_room` leaked; an atomic lies in memory as its number does.
        drop(unsafe { Box::from_raw(words) });
    }
}

// SAFETY: it owns its words as a box does.
unsafe impl Send for Block {}
// SAFETY: it gives out shared references to atomics.
unsafe impl Sync for Block {}

impl Text {
    pub(crate) fn new(place: u32, values: &[u8], rendered: &[u8], life: u32) -> Result<Text, Error> {
        let block = Block::with_room(values.len().saturating_add(rendered.len()))?;
        let text = Text {
            block: AtomicPtr::new(block.0.as_ptr()),
            values: AtomicU32::new(0),
            rendered: AtomicU32::new(0),
            life: AtomicU32::new(0),
            place,
        };
        core::mem::forget(block);
        text.write(values, rendered, life);
        Ok(text)
    }

    /// The words that the text lies in, behind the first one of their block.
    fn words(&self) -> &[AtomicU32] {
        // SYNC(text-block): Acquire; pairs with `replace`.
        let Some(first) = NonNull::new(self.block.load(Ordering::Acquire)) else { return &[] };
        // SAFETY: it is the first word of a block that lives as long as this text, or as the family, which outlives it.
        let count = unsafe { first.as_ref() }.load(Ordering::Relaxed);
        // SAFETY: as above; the block has so many words.
        unsafe { NonNull::slice_from_raw_parts(first, count as usize).as_ref() }.get(1..).unwrap_or_default()
    }

    fn write(&self, values: &[u8], rendered: &[u8], life: u32) {
        let mut bytes = values.iter().chain(rendered);
        for word in self.words() {
            let mut four = [0; WORD];
            for (to, from) in four.iter_mut().zip(&mut bytes) {
                *to = *from;
            }
            word.store(u32::from_le_bytes(four), Ordering::Relaxed);
        }
        self.values.store(values.len() as u32, Ordering::Relaxed);
        self.rendered.store(rendered.len() as u32, Ordering::Relaxed);
        // SYNC(text-life): Release publishes the text; pairs with `life`.
        self.life.store(life, Ordering::Release);
    }

    /// Replaces the text. The caller holds the lock, and keeps the block that got too small, if one did, as long as this.
    /// `meanwhile` changes what belongs to the life beside the text. If memory is short nothing is changed.
    pub(crate) fn replace(
        &self,
        values: &[u8],
        rendered: &[u8],
        life: u32,
        meanwhile: impl FnOnce(),
    ) -> Result<Option<Box<Outgrown>>, Error> {
        let bytes = values.len().saturating_add(rendered.len());
        let mut outgrown = None;
        let mut bigger = core::ptr::null_mut();
        if bytes > self.words().len().saturating_mul(WORD) {
            let block = Block::with_room(bytes.saturating_mul(2))?;
            let old = NonNull::new(self.block.load(Ordering::Relaxed)).ok_or_else(out_of_memory)?;
            outgrown = Some(boxed(Outgrown { _block: Block(old), next: Link::empty() })?);
            bigger = block.0.as_ptr();
            core::mem::forget(block);
        }
        self.life.store(0, Ordering::Relaxed);
        // SYNC(text-change): Release; whoever reads what is written from here on sees that there is no life.
        fence(Ordering::Release);
        if !bigger.is_null() {
            // SYNC(text-block): Release publishes the number of words.
            self.block.store(bigger, Ordering::Release);
        }
        meanwhile();
        self.write(values, rendered, life);
        Ok(outgrown)
    }

    /// The life whose text this is; zero while there is none.
    #[inline]
    pub(crate) fn life(&self) -> u32 {
        // SYNC(text-life): Acquire; pairs with `write`.
        self.life.load(Ordering::Acquire)
    }

    /// Whether the text is still that of this life: then what was read since was its.
    #[inline]
    pub(crate) fn is_still(&self, life: u32) -> bool {
        // SYNC(text-change): Acquire; pairs with the fence in `replace`.
        fence(Ordering::Acquire);
        self.life.load(Ordering::Relaxed) == life
    }

    /// Whether the label values are these, each after its u32 length. Torn unless `is_still` says that they are not.
    #[inline]
    pub(crate) fn has_values<'v>(&self, values: impl Iterator<Item = &'v [u8]>) -> bool {
        let words = self.words();
        let mut at = 0_usize;
        for value in values {
            let len = (value.len() as u32).to_le_bytes();
            if !has_bytes(words, at, &len) || !has_bytes(words, at.wrapping_add(WORD), value) {
                return false;
            }
            at = at.wrapping_add(WORD).wrapping_add(value.len());
        }
        at == self.values.load(Ordering::Relaxed) as usize
    }

    /// Whether the label values are these, as in a record.
    pub(crate) fn is_record_of(&self, values: &[u8]) -> bool {
        values.len() == self.values.load(Ordering::Relaxed) as usize && has_bytes(self.words(), 0, values)
    }

    /// Appends a copy of the whole text, and answers how much of it are the values. Torn unless `is_still` says that it is
    /// not.
    pub(crate) fn copy_to(&self, out: &mut Buffer) -> usize {
        let values = self.values.load(Ordering::Relaxed) as usize;
        let mut left = values.saturating_add(self.rendered.load(Ordering::Relaxed) as usize);
        for word in self.words() {
            let bytes = word.load(Ordering::Relaxed).to_le_bytes();
            out.put(bytes.get(..left.min(WORD)).unwrap_or_default());
            left = left.saturating_sub(WORD);
        }
        values
    }
}

impl Drop for Text {
    fn drop(&mut self) {
        if let Some(first) = NonNull::new(*self.block.get_mut()) {
            drop(Block(first));
        }
    }
}

/// Whether these bytes lie `at` bytes from the first word.
#[inline]
fn has_bytes(words: &[AtomicU32], at: usize, bytes: &[u8]) -> bool {
    let shift = (at % WORD).wrapping_mul(8) as u32;
    let mut there = words.get(at / WORD..).unwrap_or_default().iter().map(|word| word.load(Ordering::Relaxed));
    let mut next = there.next();
    let mut four = || {
        let low = next?;
        next = there.next();
        let both = u64::from(low) | u64::from(next.unwrap_or_default()) << 32;
        Some(both.wrapping_shr(shift) as u32)
    };
    let (whole, rest) = bytes.as_chunks::<WORD>();
    for chunk in whole {
        if four() != Some(u32::from_le_bytes(*chunk)) {
            return false;
        }
    }
    let last = rest.iter().rev().fold(0, |last, byte| last << 8 | u32::from(*byte));
    let mask = !u32::MAX.wrapping_shl(rest.len().wrapping_mul(8) as u32);
    rest.is_empty() || four().is_some_and(|there| there & mask == last)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn record(values: &[&str]) -> Vec<u8> {
        let mut all = Vec::new();
        for value in values {
            all.extend((value.len() as u32).to_le_bytes());
            all.extend(value.as_bytes());
        }
        all
    }

    #[test]
    fn values_are_compared_wherever_they_lie() {
        let all = ["", "a", "ab", "abc", "abcd", "abcde", "abcdefghi", "abcdefghj"];
        for first in all {
            for second in all {
                let text = Text::new(1, &record(&[first, second]), b"rendered", 1).unwrap();
                for other in all {
                    for another in all {
                        let same = (first, second) == (other, another);
                        let values = [other, another];
                        assert_eq!(
                            text.has_values(values.iter().map(|v| v.as_bytes())),
                            same,
                            "{first} {second} {values:?}"
                        );
                        assert_eq!(text.is_record_of(&record(&values)), same);
                    }
                }
                assert!(!text.has_values([first.as_bytes()].into_iter()));
                assert!(!text.has_values([first.as_bytes(), second.as_bytes(), b""].into_iter()));
            }
        }
    }

    #[test]
    fn a_text_is_replaced_by_a_shorter_and_a_longer_one() {
        let text = Text::new(1, &record(&["abc"]), b"l=\"abc\"", 1).unwrap();
        let mut outgrown = 0;
        for (life, value) in [(2, "x"), (3, "a much longer value than before"), (4, ""), (5, "abcdefgh")] {
            outgrown += u32::from(text.replace(&record(&[value]), value.as_bytes(), life, || ()).unwrap().is_some());
            assert!(text.life() == life && text.is_still(life) && !text.is_still(life - 1));
            let mut copy = Buffer::new();
            let values = text.copy_to(&mut copy);
            assert_eq!(copy.as_slice().split_at(values), (&*record(&[value]), value.as_bytes()));
        }
        assert_eq!(outgrown, 1, "there was room for all but one");
    }
}
