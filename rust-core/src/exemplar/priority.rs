//! The admission word `epoch32 | priority28 | 000 | busy`, and the priority an offer has under each policy.

/// Marks a slot whose writer is at work.
pub(crate) const BUSY: u64 = 1;
/// The low bits of an admission word that hold no part of the order.
pub(crate) const LOW_BITS: u64 = 15;
/// The first priority that no observed value reaches: the key of +Inf. A window whose budget is used up is shut with
/// it, and the n-th explicit exemplar of a window has `SHUT + n`.
pub const SHUT: u32 = 0x0FF8_0000;
/// The greatest priority that fits its 28 bits.
pub(crate) const PRIORITY_MAX: u32 = 0x0FFF_FFFF;

/// Which offer of a window is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Policy {
    /// The greatest value; of equal ones the earliest. The default of histograms.
    Slowest = 1,
    /// A uniform sample of the offers. The default of counters, whose values tie.
    Uniform = 2,
    /// The earliest.
    First = 3,
}

impl Policy {
    /// The policy with this number, as the C ABI passes it.
    #[must_use]
    pub const fn from_u32(n: u32) -> Option<Policy> {
        match n {
            1 => Some(Policy::Slowest),
            2 => Some(Policy::Uniform),
            3 => Some(Policy::First),
            _ => None,
        }
    }

    /// The policy of this name: `slowest`, `uniform`, `first`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Policy> {
        match name {
            "slowest" => Some(Policy::Slowest),
            "uniform" => Some(Policy::Uniform),
            "first" => Some(Policy::First),
            _ => None,
        }
    }
}

/// The admission word of an offer.
pub(crate) const fn admission(epoch: u64, priority: u32) -> u64 {
    (epoch << 32) | ((priority as u64) << 4)
}

pub(crate) const fn epoch_of(admission: u64) -> u64 {
    admission >> 32
}

pub(crate) const fn priority_of(admission: u64) -> u32 {
    ((admission >> 4) as u32) & PRIORITY_MAX
}

/// The order in which a scrape prefers windows: by priority, all explicit ones alike.
pub(crate) const fn rank_of(admission: u64) -> u32 {
    let priority = priority_of(admission);
    if priority > SHUT { SHUT + 1 } else { priority }
}

/// True for the word of an explicit exemplar.
pub(crate) const fn is_explicit(admission: u64) -> bool {
    priority_of(admission) > SHUT
}

/// True for a word that some writer has published.
pub(crate) const fn is_published(admission: u64) -> bool {
    admission != 0 && admission & BUSY == 0
}

pub(crate) const fn is_busy(admission: u64) -> bool {
    admission & BUSY != 0
}

/// The order-preserving 28-bit key of a finite value: sign, exponent and 19 bits of the mantissa of its f32.
pub(crate) const fn value_key(value: f64) -> u32 {
    let key = rough_key(value);
    if key < SHUT { key } else { SHUT - 1 }
}

/// `value_key`, and for a value that is too great for an f32 a greater one: enough for a gate, which may let too much pass.
pub(crate) const fn rough_key(value: f64) -> u32 {
    let bits = (value as f32).to_bits();
    let ordered = if bits >> 31 != 0 { !bits } else { bits | 0x8000_0000 };
    ordered >> 4
}

/// A 27-bit key that is as good as random for each observation. `seed` is the count before the observation.
pub(crate) const fn uniform_key(series: u64, bucket: u32, seed: u64) -> u32 {
    (lot(series, bucket, seed) >> 37) as u32
}

/// A number of `0.0..1.0` that is as good as random for each observation.
pub(crate) const fn chance(series: u64, bucket: u32, seed: u64) -> f64 {
    const STEPS: f64 = (1_u64 << 53) as f64;
    (lot(series, bucket, seed) >> 11) as f64 / STEPS
}

const fn lot(series: u64, bucket: u32, seed: u64) -> u64 {
    let mut x = series ^ ((bucket as u64) << 56) ^ seed.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^= x >> 32;
    x = x.wrapping_mul(0xD6E8_FEB8_6659_FD93);
    x ^ x >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn value_keys_keep_the_order_of_values() {
        let values = [-1e300, -5.0, -1e-9, 0.0, 1e-30, 0.001, 0.5, 1.0, 1.00001, 2.0, 1e30, f64::MAX];
        for pair in values.windows(2) {
            assert!(value_key(pair[0]) <= value_key(pair[1]), "{pair:?}");
        }
        assert!(value_key(f64::MAX) < SHUT);
        assert_eq!(value_key(f64::INFINITY), SHUT - 1);
        assert!(value_key(1.0) < value_key(1.00001));
    }

    #[test]
    fn explicit_exemplars_rank_alike_and_above_every_value() {
        let a = admission(7, SHUT + 1);
        let b = admission(7, SHUT + 9);
        assert_eq!(rank_of(a), rank_of(b));
        assert!(rank_of(a) > rank_of(admission(7, value_key(f64::MAX))));
        assert!(b > a);
    }

    #[test]
    fn uniform_keys_spread_over_their_range() {
        let mut low = 0;
        for seed in 0..10_000 {
            let key = uniform_key(0x1234_5678_9abc_def0, 3, seed);
            assert!(key < 1 << 27);
            low += u32::from(key < 1 << 26);
        }
        assert!((4_700..5_300).contains(&low), "{low}");
    }
}
