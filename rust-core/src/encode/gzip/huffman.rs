//! Huffman codes of limited length, and the writer of their bits.

use crate::buffer::Buffer;

/// The most symbols a code here has.
const MOST: usize = 288;

/// The value at `place`, or the default. Written out of line of the arithmetic,
/// an out-of-range place would give a broken body, never a panic.
#[inline(always)]
pub fn at<T: Copy + Default>(values: &[T], place: usize) -> T {
    values.get(place).copied().unwrap_or_default()
}

/// Sets the value at `place`, if there is one.
#[inline(always)]
pub fn set<T>(values: &mut [T], place: usize, value: T) {
    if let Some(slot) = values.get_mut(place) {
        *slot = value;
    }
}

/// The bits of a symbol, the first one lowest.
#[derive(Clone, Copy, Default)]
pub struct Code {
    bits: u16,
    len: u8,
}

/// Code lengths of at most `limit` bits for symbols that occur `counts` times.
///
/// At least two symbols get a code, because some readers refuse a code of one
/// symbol.
pub fn code_lengths<const N: usize>(counts: &[u32; N], limit: usize) -> [u8; N] {
    // Ascending by count; the symbol is in the low bits.
    let mut sorted = [u64::MAX; MOST];
    let mut leaves = 0usize;
    let used = counts.iter().filter(|count| **count > 0).count();
    let mut missing = 2usize.saturating_sub(used);
    for (symbol, count) in counts.iter().copied().enumerate() {
        if count == 0 {
            if missing == 0 {
                continue;
            }
            missing = missing.wrapping_sub(1);
        }
        let mut carried = (u64::from(count.max(1)) << 16) | symbol as u64;
        for slot in &mut sorted {
            if carried < *slot {
                core::mem::swap(slot, &mut carried);
            }
            if carried == u64::MAX {
                break;
            }
        }
        leaves = leaves.wrapping_add(1);
    }
    let per_length = limited(depths(&sorted, leaves), limit);
    let mut lengths = [0; N];
    let mut symbols = sorted.iter();
    for (length, number) in per_length.iter().enumerate().rev() {
        for key in symbols.by_ref().take(*number as usize) {
            set(&mut lengths, (*key & 0xffff) as usize, length as u8);
        }
    }
    lengths
}

/// How many leaves of the tree have each depth; the last entry also counts the
/// deeper ones.
fn depths(sorted: &[u64; MOST], leaves: usize) -> [u32; 32] {
    let nodes = leaves.wrapping_mul(2).wrapping_sub(1);
    let mut weights = [0u64; 2 * MOST];
    let mut parents = [0u16; 2 * MOST];
    for (weight, key) in weights.iter_mut().zip(sorted).take(leaves) {
        *weight = *key >> 16;
    }
    // Leaves and inner nodes are two queues, each ascending.
    let mut leaf = 0usize;
    let mut inner = leaves;
    for node in leaves..nodes {
        let mut sum = 0u64;
        for _ in 0..2 {
            let take_inner = inner < node && (leaf >= leaves || at(&weights, inner) < at(&weights, leaf));
            let queue = if take_inner { &mut inner } else { &mut leaf };
            sum = sum.wrapping_add(at(&weights, *queue));
            set(&mut parents, *queue, node as u16);
            *queue = queue.wrapping_add(1);
        }
        set(&mut weights, node, sum);
    }
    let mut depths = [0u8; 2 * MOST];
    let mut numbers = [0u32; 32];
    for node in (0..nodes.wrapping_sub(1)).rev() {
        let depth = at(&depths, usize::from(at(&parents, node))).wrapping_add(1).min(31);
        set(&mut depths, node, depth);
        if node < leaves
            && let Some(number) = numbers.get_mut(usize::from(depth))
        {
            *number = number.wrapping_add(1);
        }
    }
    numbers
}

/// Moves leaves up to `limit`, then lengthens others until the code is complete.
fn limited(mut numbers: [u32; 32], limit: usize) -> [u32; 16] {
    let mut kept = [0u32; 16];
    let mut space = 0u32;
    for (length, number) in numbers.iter_mut().enumerate().skip(1) {
        let length = length.min(limit);
        if let Some(slot) = kept.get_mut(length) {
            *slot = slot.wrapping_add(*number);
        }
        let each = 1u32.wrapping_shl(limit.wrapping_sub(length) as u32);
        space = space.wrapping_add(number.wrapping_mul(each));
    }
    let whole = 1u32.wrapping_shl(limit as u32);
    while space > whole {
        // One of the longest codes becomes the sibling of a shorter one, which
        // grows by a bit: the code shrinks by one unit.
        let shorter = (1..limit).rev().find(|length| at(&kept, *length) > 0);
        let Some(shorter) = shorter else { break };
        let longer = shorter.wrapping_add(1);
        for (length, change) in [(limit, u32::MAX), (shorter, u32::MAX), (longer, 2)] {
            let number = at(&kept, length).wrapping_add(change);
            set(&mut kept, length, number);
        }
        space = space.wrapping_sub(1);
    }
    kept
}

/// The canonical codes of the given lengths.
pub fn assign_codes<const N: usize>(lengths: &[u8; N]) -> [Code; N] {
    let mut next = [0u16; 16];
    let mut code = 0u16;
    for (length, slot) in next.iter_mut().enumerate().skip(1) {
        *slot = code;
        let number = lengths.iter().filter(|len| usize::from(**len) == length).count();
        code = code.wrapping_add(number as u16).wrapping_shl(1);
    }
    let mut codes = [Code::default(); N];
    for (code, len) in codes.iter_mut().zip(lengths.iter().copied()) {
        if let Some(slot) = next.get_mut(usize::from(len))
            && len > 0
        {
            // The stream starts with a code's highest bit.
            let unused = 16u32.wrapping_sub(u32::from(len));
            *code = Code { bits: slot.reverse_bits().wrapping_shr(unused), len };
            *slot = slot.wrapping_add(1);
        }
    }
    codes
}

/// Collects bits, lowest first, into bytes.
pub struct BitWriter<'a> {
    out: &'a mut Buffer,
    held: u64,
    width: u32,
}

impl<'a> BitWriter<'a> {
    /// A writer that appends to `out`.
    pub fn new(out: &'a mut Buffer) -> Self {
        Self { out, held: 0, width: 0 }
    }

    /// Writes the low `width` bits of `value`, at most 32; the others are zero.
    #[inline(always)]
    pub fn put(&mut self, value: u32, width: u32) {
        // Fewer than 32 bits are held between calls.
        self.held |= u64::from(value).wrapping_shl(self.width);
        self.width = self.width.wrapping_add(width);
        if self.width >= 32 {
            self.out.put(&(self.held as u32).to_le_bytes());
            self.held >>= 32;
            self.width = self.width.wrapping_sub(32);
        }
    }

    /// Writes a symbol.
    #[inline(always)]
    pub fn code(&mut self, code: Code) {
        self.put(u32::from(code.bits), u32::from(code.len));
    }

    /// Fills the last byte with zeros and writes what is held.
    pub fn finish(self) {
        let bytes = self.width.div_ceil(8) as usize;
        self.out.put(self.held.to_le_bytes().get(..bytes).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space(lengths: &[u8], limit: u32) -> u32 {
        lengths.iter().filter(|len| **len > 0).map(|len| 1 << (limit - u32::from(*len))).sum()
    }

    #[test]
    fn lengths_are_complete_and_limited() {
        // Fibonacci counts give the deepest tree.
        let mut counts = [0u32; 40];
        let (mut a, mut b) = (1, 1);
        for count in &mut counts {
            *count = a;
            (a, b) = (b, a + b);
        }
        for limit in [7, 15] {
            let lengths = code_lengths(&counts, limit);
            assert!(lengths.iter().all(|len| (1..=limit).contains(&usize::from(*len))));
            assert_eq!(space(&lengths, limit as u32), 1 << limit);
        }
    }

    #[test]
    fn optimal_lengths() {
        assert_eq!(code_lengths(&[45, 13, 12, 16, 9, 5], 15), [1, 3, 3, 3, 4, 4]);
        assert_eq!(code_lengths(&[0, 0, 0], 15), [1, 1, 0]);
        assert_eq!(code_lengths(&[0, 0, 9], 15), [1, 0, 1]);
        assert_eq!(code_lengths(&[1; 286], 15).iter().map(|len| usize::from(*len)).max(), Some(9));
    }
}
