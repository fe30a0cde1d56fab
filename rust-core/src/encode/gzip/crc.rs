//! The checksum of gzip, eight bytes at a time.

use super::at;

const POLYNOMIAL: u32 = 0xedb8_8320;

/// The CRC-32 of `bytes`.
pub fn crc32(bytes: &[u8]) -> u32 {
    let tables = tables();
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &tables;
    let look = |table: &[u32; 256], byte: u8| at(table, usize::from(byte));
    let mut crc = u32::MAX;
    let (eights, rest) = bytes.as_chunks::<8>();
    for &[a, b, c, d, e, f, g, h] in eights {
        let [a, b, c, d] = (u32::from_le_bytes([a, b, c, d]) ^ crc).to_le_bytes();
        crc = (look(t7, a) ^ look(t6, b) ^ look(t5, c) ^ look(t4, d))
            ^ (look(t3, e) ^ look(t2, f) ^ look(t1, g) ^ look(t0, h));
    }
    for byte in rest {
        crc = (crc >> 8) ^ look(t0, crc as u8 ^ byte);
    }
    !crc
}

/// Table `n` holds the effect of a byte that `n` other bytes follow.
///
/// They are made for each body: that takes microseconds, and 8 KiB of constants
/// are saved.
fn tables() -> [[u32; 256]; 8] {
    let first: [u32; 256] = core::array::from_fn(|byte| {
        (0..8).fold(byte as u32, |crc, _| (crc >> 1) ^ if crc & 1 == 1 { POLYNOMIAL } else { 0 })
    });
    let mut last = first;
    core::array::from_fn(|number| {
        if number > 0 {
            for crc in &mut last {
                *crc = (*crc >> 8) ^ at(&first, (*crc & 0xff) as usize);
            }
        }
        last
    })
}
