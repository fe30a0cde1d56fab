//! What is observed: the same in every run and, with the other languages' benches, for every engine.

/// Values before they repeat: enough that no branch predictor learns them.
pub const VALUES: usize = 4096;

/// Spans before they repeat.
pub const SPANS: usize = 64;

/// Label values of the look-ups in `labels_observe`.
pub const LABELS: [[&str; 3]; 4] =
    [["GET", "/users", "200"], ["GET", "/orders", "200"], ["POST", "/orders", "201"], ["GET", "/orders", "500"]];

/// A generator whose numbers are the same everywhere.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// In (0, 1].
    fn unit(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}

/// Log-normal durations in seconds with a median of 82 ms; they reach every default bucket.
#[must_use]
pub fn values() -> Box<[f64; VALUES]> {
    let mut random = SplitMix(1);
    let values: Vec<f64> = (0..VALUES)
        .map(|_| {
            let (a, b) = (random.unit(), random.unit());
            let normal = (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos();
            0.082 * (1.5 * normal).exp()
        })
        .collect();
    values.into_boxed_slice().try_into().expect("the length is VALUES")
}

/// Ids of sampled spans: trace id and span id, never zero.
#[must_use]
pub fn spans() -> Box<[([u8; 16], [u8; 8]); SPANS]> {
    let mut random = SplitMix(2);
    let spans: Vec<_> = (0..SPANS)
        .map(|_| {
            let trace = u128::from(random.next()) << 64 | u128::from(random.next() | 1);
            (trace.to_be_bytes(), (random.next() | 1).to_be_bytes())
        })
        .collect();
    spans.into_boxed_slice().try_into().expect("the length is SPANS")
}

/// A value in each bucket of the default bounds.
pub const ONE_PER_BUCKET: [f64; 12] =
    [0.00321, 0.00712, 0.0181, 0.0333, 0.0777, 0.18, 0.3141, 0.672, 1.61, 3.375, 7.77, 12.5];
