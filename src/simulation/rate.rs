//! How likely things are: [`Rate`].

/// A probability, in millionths: integers, so that every machine draws alike.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Rate(u32);

impl Rate {
    /// It never happens.
    pub const NEVER: Self = Self(0);
    /// It always happens.
    pub const ALWAYS: Self = Self(Self::ONE_MILLION);
    pub(super) const ONE_MILLION: u32 = 1_000_000;

    /// So many in a hundred, at most 100.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::new(percent.saturating_mul(10_000))
    }

    /// So many in a million, at most a million.
    #[must_use]
    pub const fn new(per_million: u32) -> Self {
        if per_million > Self::ONE_MILLION {
            Self::ALWAYS
        } else {
            Self(per_million)
        }
    }

    /// So many in a million.
    #[must_use]
    pub const fn per_million(self) -> u32 {
        self.0
    }
}

impl std::fmt::Display for Rate {
    /// As a percentage, with as many decimals as it takes.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (whole, parts) = (self.0 / 10_000, self.0 % 10_000);
        if parts == 0 {
            return write!(f, "{whole} %");
        }
        let decimals = format!("{parts:04}");
        write!(f, "{whole}.{} %", decimals.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_print_as_percentages() {
        for (per_million, expected) in [
            (0, "0 %"),
            (1, "0.0001 %"),
            (1_000, "0.1 %"),
            (205_000, "20.5 %"),
            (2_000_000, "100 %"),
        ] {
            assert_eq!(Rate::new(per_million).to_string(), expected);
        }
        assert_eq!(Rate::percent(7), Rate::new(70_000));
    }
}
