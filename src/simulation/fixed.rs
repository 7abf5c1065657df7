//! Logarithms and powers of two in integers: the same on every machine, as those of a platform's mathematics library are not.
//!
//! Real numbers are integers here with 32 binary places (`1 << 32` is one). Results are good to about 2^-24.

/// A real number with 32 binary places.
pub(super) type Fixed = i64;

/// One.
pub(super) const ONE: Fixed = 1 << 32;
/// The natural logarithm of 2.
pub(super) const LN_2: Fixed = 2_977_044_472;

/// How many binary places of a logarithm or a power are worked out.
const PLACES: usize = 26;

/// The binary logarithm of an integer above 0, bit by bit: squaring a number doubles its logarithm.
pub(super) const fn log2(value: u64) -> Fixed {
    let whole = value.ilog2();
    let mut mantissa = (value as u128) << (63 - whole);
    let mut result = (whole as Fixed) << 32;
    let mut place = 1;
    while place <= PLACES {
        mantissa = (mantissa * mantissa) >> 63;
        if mantissa >= 1 << 64 {
            mantissa >>= 1;
            result += ONE >> place;
        }
        place += 1;
    }
    result
}

/// `value` times two to the power of `exponent`, rounded down, at most [`u64::MAX`].
pub(super) fn times_power(value: u64, exponent: Fixed) -> u64 {
    let (whole, fraction) = (exponent >> 32, exponent & (ONE - 1));
    let mut power: u128 = 1 << 62;
    for (place, root) in ROOTS.iter().enumerate() {
        if fraction & (ONE >> (place + 1)) != 0 {
            power = (power * *root as u128) >> 62;
        }
    }
    let product = u128::from(value) * power;
    let shift = u32::try_from((62 - whole).clamp(0, 127)).expect("clamped");
    u64::try_from(product >> shift).unwrap_or(u64::MAX)
}

/// The product of two reals.
pub(super) const fn mul(one: Fixed, other: Fixed) -> Fixed {
    ((one as i128 * other as i128) >> 32) as Fixed
}

/// The quotient of two reals; the divisor is not 0.
pub(super) const fn div(one: Fixed, other: Fixed) -> Fixed {
    (((one as i128) << 32) / other as i128) as Fixed
}

/// Two to the power of 1/2, 1/4, 1/8 and so on, with 62 binary places: each the square root of the one before.
const ROOTS: [u64; PLACES] = {
    let mut roots = [0; PLACES];
    let mut power: u128 = 1 << 63;
    let mut place = 0;
    while place < PLACES {
        power = (power << 62).isqrt();
        roots[place] = power as u64;
        place += 1;
    }
    roots
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms_are_those_of_the_tables() {
        for (value, expected) in [
            (1, 0.0),
            (2, 1.0),
            (3, 1.584_962_500_721_156),
            (12, 3.584_962_500_721_156),
            (1_000_000, 19.931_568_569_324_174),
            (u64::MAX, 64.0),
        ] {
            let log = log2(value) as f64 / ONE as f64;
            assert!((log - expected).abs() < 1e-7, "log2 {value} is {log}");
        }
    }

    #[test]
    fn powers_undo_logarithms_and_saturate() {
        for value in [1, 7, 1_000, 123_456, 987_654_321] {
            let back = times_power(1 << 20, log2(value)) >> 20;
            let error = back.abs_diff(value) as f64 / value as f64;
            assert!(error < 1e-6 || back.abs_diff(value) <= 1, "{value}: {back}");
        }
        assert_eq!(times_power(1_000, 0), 1_000);
        assert_eq!(times_power(1_000, -ONE), 500);
        assert_eq!(times_power(1_000, -200 * ONE), 0);
        assert_eq!(times_power(1_000, 60 * ONE), u64::MAX);
    }

    #[test]
    fn products_and_quotients_keep_their_places() {
        assert_eq!(mul(3 * ONE / 2, -4 * ONE), -6 * ONE);
        assert_eq!(div(3 * ONE, 2 * ONE), 3 * ONE / 2);
        assert_eq!(mul(LN_2, div(ONE, LN_2)).abs_diff(ONE) >> 2, 0);
    }
}
