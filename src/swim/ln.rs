//! Logarithms that come out the same, bit for bit, on every machine.
//!
//! `f64::ln` is the platform's own and may differ in its last bit, which would spoil recorded transcripts. Addition,
//! multiplication and division are exact by IEEE 754 everywhere.

/// The natural logarithm of `x`, for `x ≥ 1`: 0 below.
pub(super) fn ln(x: u64) -> f64 {
    if x <= 1 {
        return 0.0;
    }
    // x = m · 2^e with m in [1, 2); ln m = 2 · artanh((m − 1) / (m + 1)), whose series shrinks by nine a term at least.
    let exponent = x.ilog2();
    let mantissa = x as f64 / (1u64 << exponent) as f64;
    let ratio = (mantissa - 1.0) / (mantissa + 1.0);
    let mut sum = 0.0;
    for odd in (1..=35u32).rev().step_by(2) {
        sum = sum * ratio * ratio + 1.0 / f64::from(odd);
    }
    f64::from(exponent) * std::f64::consts::LN_2 + 2.0 * ratio * sum
}

/// The logarithm of `x` to base ten, for `x ≥ 1`: 0 below.
pub(super) fn log10(x: u64) -> f64 {
    ln(x) / std::f64::consts::LN_10
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_platform_to_the_last_digits() {
        for x in [1u64, 2, 3, 4, 10, 19, 20, 53, 54, 1_000, 65_537, 1 << 40] {
            let expected = (x as f64).ln();
            assert!(
                (ln(x) - expected).abs() < 1e-13 * expected.max(1.0),
                "ln {x}"
            );
        }
        assert!((log10(1_000) - 3.0).abs() < 1e-13);
        assert_eq!(ln(0), 0.0);
    }
}
