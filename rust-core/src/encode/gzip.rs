//! A gzip writer for scrape bodies.
//!
//! Deflate with hash chains over the 32 KiB window, lazy matching, and Huffman
//! codes made for each block. Every allocation is made before the first byte is
//! written, apart from the growth of the output.

use crate::buffer::{Buffer, OutOfMemory, filled};

mod crc;
mod huffman;
mod matches;

use huffman::{BitWriter, Code, assign_codes, at, code_lengths, set};
use matches::{Finder, MAX_MATCH, MIN_MATCH};

/// The members of a block before its codes are made.
const BLOCK_TOKENS: usize = 1 << 15;

/// Positions are 32 bits wide; longer input starts afresh after this many bytes.
const PIECE: usize = 1 << 30;

/// The match length that the format counts from.
const LENGTH_BASE: usize = 3;
const LITERALS: usize = 286;
const DISTANCES: usize = 30;
const END_OF_BLOCK: usize = 256;

/// The order in which a block lists the lengths of the code-length code.
const LENGTH_ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];

/// Appends `input` to `out` as one gzip member.
///
/// The member has no file name and no time, so equal input gives equal output.
pub fn gzip(input: &[u8], out: &mut Buffer) -> Result<(), OutOfMemory> {
    let mut block = Block::new()?;
    let mut finder = Finder::new()?;
    // Magic, deflate, no flags, no time, no extra flags, unknown system.
    out.put(&[0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);
    let mut bits = BitWriter::new(out);
    for piece in input.chunks(PIECE) {
        finder.clear();
        compress(piece, &mut finder, &mut block, &mut bits);
    }
    // The last block is empty and has the fixed codes: 1, 01, end of block.
    bits.put(0b011, 3);
    bits.put(0, 7);
    bits.finish();
    out.put(&crc::crc32(input).to_le_bytes());
    // The format holds the size modulo 2^32.
    out.put(&(input.len() as u32).to_le_bytes());
    out.finish()
}

fn compress(input: &[u8], finder: &mut Finder, block: &mut Block, bits: &mut BitWriter<'_>) {
    let mut place = 0;
    let mut found = finder.find(input, place, 0);
    while place < input.len() {
        // A match is put off by one byte if the next byte starts a longer one.
        let next = place.wrapping_add(1);
        if found.len < MIN_MATCH {
            block.literal(at(input, place));
            place = next;
            found = finder.find(input, place, 0);
        } else {
            let later = if found.is_long() { matches::Match::default() } else { finder.find(input, next, found.len) };
            if later.len > found.len {
                block.literal(at(input, place));
                place = next;
                found = later;
            } else {
                block.matched(found.len, found.distance);
                let seen = if found.is_long() { next } else { next.wrapping_add(1) };
                place = place.wrapping_add(found.len);
                finder.skip(input, seen, place);
                found = finder.find(input, place, 0);
            }
        }
        if block.is_full() {
            block.write(bits);
        }
    }
    block.write(bits);
}

/// Literals and matches that share one pair of codes.
struct Block {
    /// A literal is its byte; a match has the top bit, its length less 3 above bit
    /// 16 and its distance less 1 below.
    tokens: alloc::vec::Vec<u32>,
    len: usize,
    literal_counts: [u32; LITERALS],
    distance_counts: [u32; DISTANCES],
}

const IS_MATCH: u32 = 1 << 31;

impl Block {
    fn new() -> Result<Self, OutOfMemory> {
        Ok(Self {
            tokens: filled(0, BLOCK_TOKENS)?,
            len: 0,
            literal_counts: [0; LITERALS],
            distance_counts: [0; DISTANCES],
        })
    }

    fn is_full(&self) -> bool {
        self.len >= BLOCK_TOKENS
    }

    fn literal(&mut self, byte: u8) {
        count(&mut self.literal_counts, usize::from(byte));
        self.push(u32::from(byte));
    }

    fn matched(&mut self, len: usize, distance: usize) {
        let len = len.wrapping_sub(LENGTH_BASE) as u32 & 0xff;
        let distance = distance.wrapping_sub(1) as u32 & 0x7fff;
        count(&mut self.literal_counts, length_symbol(len).0);
        count(&mut self.distance_counts, distance_symbol(distance).0);
        self.push(IS_MATCH | (len << 16) | distance);
    }

    fn push(&mut self, token: u32) {
        set(&mut self.tokens, self.len, token);
        self.len = self.len.wrapping_add(1);
    }

    /// Writes the block with codes of its own, and empties it.
    fn write(&mut self, bits: &mut BitWriter<'_>) {
        if self.len == 0 {
            return;
        }
        count(&mut self.literal_counts, END_OF_BLOCK);
        let literal_lengths = code_lengths(&self.literal_counts, 15);
        let distance_lengths = code_lengths(&self.distance_counts, 15);
        write_header(bits, &literal_lengths, &distance_lengths);
        let literals = assign_codes(&literal_lengths);
        let distances = assign_codes(&distance_lengths);
        for token in self.tokens.iter().copied().take(self.len) {
            if token & IS_MATCH == 0 {
                bits.code(at(&literals, (token & 0xff) as usize));
                continue;
            }
            let (symbol, value, width) = length_symbol((token >> 16) & 0xff);
            bits.code(at(&literals, symbol));
            bits.put(value, width);
            let (symbol, value, width) = distance_symbol(token & 0x7fff);
            bits.code(at(&distances, symbol));
            bits.put(value, width);
        }
        bits.code(at(&literals, END_OF_BLOCK));
        self.len = 0;
        self.literal_counts = [0; LITERALS];
        self.distance_counts = [0; DISTANCES];
    }
}

fn count(counts: &mut [u32], symbol: usize) {
    if let Some(counter) = counts.get_mut(symbol) {
        *counter = counter.wrapping_add(1);
    }
}

/// The symbol of a match length less 3, and its extra bits and their number.
fn length_symbol(len: u32) -> (usize, u32, u32) {
    if len == (MAX_MATCH - LENGTH_BASE) as u32 {
        return (285, 0, 0);
    }
    if len < 8 {
        return ((len as usize).wrapping_add(257), 0, 0);
    }
    let log = len.ilog2();
    let width = log.wrapping_sub(2);
    let quarter = len.wrapping_shr(width) & 3;
    let symbol = log.wrapping_mul(4).wrapping_add(quarter).wrapping_add(253);
    (symbol as usize, low_bits(len, width), width)
}

/// The symbol of a distance less 1, and its extra bits and their number.
fn distance_symbol(distance: u32) -> (usize, u32, u32) {
    if distance < 4 {
        return (distance as usize, 0, 0);
    }
    let log = distance.ilog2();
    let width = log.wrapping_sub(1);
    let half = distance.wrapping_shr(width) & 1;
    let symbol = log.wrapping_mul(2).wrapping_add(half);
    (symbol as usize, low_bits(distance, width), width)
}

fn low_bits(value: u32, width: u32) -> u32 {
    value & !u32::MAX.wrapping_shl(width)
}

/// Writes the header of a block that is not the last, with its code lengths.
fn write_header(bits: &mut BitWriter<'_>, literals: &[u8], distances: &[u8]) {
    let literals = without_zeros(literals, 257);
    let distances = without_zeros(distances, 1);
    let mut runs = Runs::default();
    for lengths in [literals, distances] {
        runs.read(lengths);
    }
    let lengths = code_lengths(&runs.counts, 7);
    let codes: [Code; 19] = assign_codes(&lengths);
    let listed = LENGTH_ORDER
        .iter()
        .rposition(|symbol| at(&lengths, *symbol) != 0)
        .map_or(4, |last| last.wrapping_add(1).max(4));
    bits.put(0b100, 3);
    bits.put(literals.len().wrapping_sub(257) as u32, 5);
    bits.put(distances.len().wrapping_sub(1) as u32, 5);
    bits.put(listed.wrapping_sub(4) as u32, 4);
    for symbol in LENGTH_ORDER.iter().take(listed) {
        bits.put(u32::from(at(&lengths, *symbol)), 3);
    }
    for (symbol, extra) in runs.symbols.iter().copied().take(runs.len) {
        bits.code(at(&codes, usize::from(symbol)));
        let width = match symbol {
            16 => 2,
            17 => 3,
            18 => 7,
            _ => 0,
        };
        bits.put(u32::from(extra), width);
    }
}

fn without_zeros(lengths: &[u8], least: usize) -> &[u8] {
    let used = lengths.iter().rposition(|len| *len != 0).map_or(0, |last| last.wrapping_add(1));
    lengths.get(..used.max(least)).unwrap_or(lengths)
}

/// Code lengths as symbols of the code-length code, with their extra bits.
struct Runs {
    symbols: [(u8, u8); LITERALS + DISTANCES],
    len: usize,
    counts: [u32; 19],
}

impl Default for Runs {
    fn default() -> Self {
        Self { symbols: [(0, 0); LITERALS + DISTANCES], len: 0, counts: [0; 19] }
    }
}

impl Runs {
    fn read(&mut self, lengths: &[u8]) {
        let mut rest = lengths;
        while let Some(&length) = rest.first() {
            let end = rest.iter().position(|other| *other != length).unwrap_or(rest.len());
            rest = rest.get(end..).unwrap_or_default();
            let mut run = end;
            if length != 0 {
                // Symbol 16 repeats a length that was written once.
                self.push(length, 0);
                run = run.wrapping_sub(1);
            }
            while run >= 3 {
                let (symbol, least, most) = match (length, run) {
                    (0, 11..) => (18, 11, 138),
                    (0, _) => (17, 3, 10),
                    _ => (16, 3, 6),
                };
                let taken = run.min(most);
                self.push(symbol, taken.wrapping_sub(least) as u8);
                run = run.wrapping_sub(taken);
            }
            for _ in 0..run {
                self.push(length, 0);
            }
        }
    }

    fn push(&mut self, symbol: u8, extra: u8) {
        set(&mut self.symbols, self.len, (symbol, extra));
        self.len = self.len.wrapping_add(1);
        count(&mut self.counts, usize::from(symbol));
    }
}

#[cfg(test)]
mod tests;
