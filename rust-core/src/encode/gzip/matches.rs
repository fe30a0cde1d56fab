//! Where earlier bytes repeat.

use alloc::vec::Vec;

use super::at;
use crate::buffer::{OutOfMemory, filled};

/// The shortest match worth a token; the hash covers as many bytes.
pub const MIN_MATCH: usize = 4;
/// The longest match that deflate can express.
pub const MAX_MATCH: usize = 258;

const WINDOW: usize = 1 << 15;
const HASH_BITS: u32 = 15;

/// How many earlier places are compared.
const DEPTH: usize = 4;
/// A match of this length is not searched further, nor put off.
const LONG: usize = 64;

/// The best match of a place.
#[derive(Clone, Copy, Default)]
pub struct Match {
    /// The bytes that repeat; 0 for none.
    pub len: usize,
    /// How far back they are.
    pub distance: usize,
}

impl Match {
    /// Whether a longer match is not worth the search.
    pub fn is_long(&self) -> bool {
        self.len >= LONG
    }
}

/// The places of the window by the hash of their first four bytes.
pub struct Finder {
    /// The latest place of each hash, plus one; 0 for none.
    heads: Vec<u32>,
    /// For each place of the window the one before it with the same hash, plus
    /// one.
    chains: Vec<u32>,
}

impl Finder {
    pub fn new() -> Result<Self, OutOfMemory> {
        Ok(Self { heads: filled(0, 1 << HASH_BITS)?, chains: filled(0, WINDOW)? })
    }

    /// Forgets all places.
    pub fn clear(&mut self) {
        self.heads.fill(0);
        self.chains.fill(0);
    }

    /// Enters `place` and finds the longest match there that is longer than
    /// `beat`.
    #[inline]
    pub fn find(&mut self, input: &[u8], place: usize, beat: usize) -> Match {
        let mut best = Match { len: beat, distance: 0 };
        let Some(mut candidate) = self.enter(input, place) else { return Match::default() };
        let here = input.get(place..).unwrap_or_default();
        let here = here.get(..MAX_MATCH).unwrap_or(here);
        for _ in 0..DEPTH {
            let Some(from) = (candidate as usize).checked_sub(1) else { break };
            let distance = place.wrapping_sub(from);
            // A chain entry may be older than the window and belong to another place.
            if distance == 0 || distance > WINDOW || from >= place {
                break;
            }
            let earlier = input.get(from..).unwrap_or_default();
            if earlier.get(best.len) == here.get(best.len) {
                let len = common(earlier, here);
                if len > best.len {
                    best = Match { len, distance };
                    if best.is_long() || len == here.len() {
                        break;
                    }
                }
            }
            candidate = at(&self.chains, from & (WINDOW - 1));
        }
        if best.distance == 0 || best.len < MIN_MATCH { Match::default() } else { best }
    }

    /// Enters the places from `from` up to `to`.
    pub fn skip(&mut self, input: &[u8], from: usize, to: usize) {
        for place in from..to {
            self.enter(input, place);
        }
    }

    /// Enters a place and returns the head before; `None` near the end.
    #[inline(always)]
    fn enter(&mut self, input: &[u8], place: usize) -> Option<u32> {
        let bytes = input.get(place..)?.first_chunk::<4>()?;
        let hash = u32::from_le_bytes(*bytes).wrapping_mul(0x9e37_79b1) >> (32 - HASH_BITS);
        let head = self.heads.get_mut(hash as usize)?;
        let before = core::mem::replace(head, (place as u32).wrapping_add(1));
        *self.chains.get_mut(place & (WINDOW - 1))? = before;
        Some(before)
    }
}

/// The number of first bytes that are equal.
#[inline(always)]
fn common(earlier: &[u8], here: &[u8]) -> usize {
    let mut len = 0usize;
    let (eights, rest) = here.as_chunks::<8>();
    let (others, _) = earlier.as_chunks::<8>();
    for (a, b) in eights.iter().zip(others) {
        let differ = u64::from_le_bytes(*a) ^ u64::from_le_bytes(*b);
        if differ != 0 {
            return len.wrapping_add(differ.trailing_zeros() as usize / 8);
        }
        len = len.wrapping_add(8);
    }
    let others = earlier.get(len..).unwrap_or_default();
    let tail = rest.iter().zip(others).take_while(|(a, b)| a == b).count();
    len.wrapping_add(tail)
}
