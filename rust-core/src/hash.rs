//! The hash of label sets: the same in every process and on every machine, because it is stored in the segment and
//! feeds the key of the policy `uniform`.

const FACTOR: u64 = 0xD6E8_FEB8_6659_FD93;

fn mix(hash: u64, word: u64) -> u64 {
    let product = u128::from(hash ^ word).wrapping_mul(u128::from(FACTOR) << 1 | 1);
    (product as u64) ^ ((product >> 64) as u64).rotate_left(29)
}

/// Folds one text into a hash. Texts are told apart by their lengths.
pub(crate) fn fold(hash: u64, text: &[u8]) -> u64 {
    let mut hash = mix(hash, text.len() as u64 | 1 << 63);
    let (words, rest) = text.as_chunks::<8>();
    for word in words {
        hash = mix(hash, u64::from_le_bytes(*word));
    }
    let mut last = 0;
    for byte in rest {
        last = last << 8 | u64::from(*byte);
    }
    mix(hash, last)
}

#[cfg(test)]
mod tests {
    use super::fold;

    #[test]
    fn hash_is_fixed_for_ever() {
        assert_eq!(fold(0, b""), 0x10da_db98_a0b0_2423_u64, "{:x}", fold(0, b""));
    }

    #[test]
    fn parts_are_told_apart() {
        assert_ne!(fold(fold(1, b"ab"), b"c"), fold(fold(1, b"a"), b"bc"));
        assert_ne!(fold(1, b"\0"), fold(1, b""));
        assert_ne!(fold(1, b"12345678"), fold(1, b"12345679"));
    }
}
