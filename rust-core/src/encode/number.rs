//! Numbers as the exposition formats spell them.

use crate::buffer::Buffer;

/// Writes milliseconds since the epoch as seconds with three decimals.
pub fn put_timestamp_ms(out: &mut Buffer, milliseconds: u64) {
    let below = milliseconds % 1000;
    out.put_u64(milliseconds / 1000);
    out.put(&[b'.', digit(below / 100), digit(below / 10 % 10), digit(below % 10)]);
}

/// Writes the canonical OpenMetrics form, which `le` label values must have:
/// shortest digits that read back equal, an exponent below 1e-4 and from 1e6 on,
/// else a decimal point.
///
/// Infinities are `+Inf` and `-Inf`, NaN is `NaN`, negative zero is `0.0`.
pub fn put_float(out: &mut Buffer, value: f64) {
    let magnitude = value.abs();
    if value.is_nan() {
        return out.put(b"NaN");
    }
    if magnitude == 0.0 {
        return out.put(b"0.0");
    }
    if value < 0.0 {
        out.put_byte(b'-');
    }
    if magnitude.is_infinite() {
        return out.put(if value < 0.0 { b"Inf" } else { b"+Inf" });
    }
    let whole = magnitude as u64;
    if magnitude < 1e6 && whole as f64 == magnitude {
        out.put_u64(whole);
        out.put(b".0");
        return;
    }
    let mut text = zmij::Buffer::new();
    let text = text.format_finite(magnitude);
    if (1e-4..1e6).contains(&magnitude) {
        // Here the shortest digits come with a decimal point already.
        return out.put_str(text);
    }
    Decimal::of(text).put(out);
}

/// The shortest decimal digits of a number, without leading or trailing zeros,
/// and the power of ten of the first digit.
struct Decimal {
    digits: [u8; 20],
    len: usize,
    exponent: i32,
}

impl Decimal {
    /// Reads `digits[.digits][e[-]digits]`, in which a number is not zero.
    fn of(text: &str) -> Self {
        let mut decimal = Decimal { digits: [b'0'; 20], len: 0, exponent: -1 };
        let mut bytes = text.bytes();
        let mut fraction = false;
        let mut kept = 0usize;
        let mut scale = 0i32;
        for byte in bytes.by_ref() {
            match byte {
                b'.' => fraction = true,
                b'0'..=b'9' => {
                    if kept == 0 && byte == b'0' {
                        // A zero before the first digit counts only after the point.
                        decimal.exponent = decimal.exponent.wrapping_sub(i32::from(fraction));
                        continue;
                    }
                    if !fraction {
                        decimal.exponent = decimal.exponent.wrapping_add(1);
                    }
                    if let Some(slot) = decimal.digits.get_mut(kept) {
                        *slot = byte;
                    }
                    kept = kept.wrapping_add(1);
                    if byte != b'0' {
                        decimal.len = kept;
                    }
                }
                _ => break,
            }
        }
        let mut negative = false;
        for byte in bytes {
            match byte {
                b'-' => negative = true,
                b'0'..=b'9' => {
                    scale = scale.wrapping_mul(10).wrapping_add(i32::from(byte & 0x0f));
                }
                _ => {}
            }
        }
        let scale = if negative { 0i32.wrapping_sub(scale) } else { scale };
        decimal.exponent = decimal.exponent.wrapping_add(scale);
        decimal
    }

    fn part(&self, from: usize, to: usize) -> &[u8] {
        self.digits.get(from..to).unwrap_or_default()
    }

    fn put(&self, out: &mut Buffer) {
        let magnitude = self.exponent.unsigned_abs();
        if !(-4..6).contains(&self.exponent) {
            out.put(self.part(0, 1));
            if self.len > 1 {
                out.put_byte(b'.');
                out.put(self.part(1, self.len));
            }
            out.put(if self.exponent < 0 { b"e-" } else { b"e+" });
            if magnitude < 10 {
                out.put_byte(b'0');
            }
            return out.put_u64(u64::from(magnitude));
        }
        if self.exponent < 0 {
            out.put(b"0.");
            let zeros = magnitude.wrapping_sub(1) as usize;
            out.put(b"000".get(..zeros).unwrap_or_default());
            return out.put(self.part(0, self.len));
        }
        // Past the last digit the array holds the zeros of a whole number.
        let whole = (magnitude as usize).wrapping_add(1);
        out.put(self.part(0, whole));
        if self.len > whole {
            out.put_byte(b'.');
            out.put(self.part(whole, self.len));
        } else {
            out.put(b".0");
        }
    }
}

fn digit(value: u64) -> u8 {
    // The low half of an ASCII digit is its value.
    b'0' | (value as u8 & 0x0f)
}

#[cfg(test)]
mod tests;
