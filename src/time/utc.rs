//! [`Utc`]: dates for people and JSON, `2022-11-11T22:25:28Z`.

use std::fmt;

use super::Timestamp;

/// Shows a timestamp as a date and time in UTC, to the second, as RFC 3339 writes it.
#[derive(Clone, Copy, Debug)]
pub struct Utc(pub Timestamp);

impl Utc {
    /// Reads a date and time as [`Utc`] shows them; `None` if it is none, or before 1970.
    #[must_use]
    pub fn parse(text: &str) -> Option<Timestamp> {
        let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
        let [year, month, day] = numbers(date, '-')?;
        let [hour, minute, second] = numbers(time, ':')?;
        if hour > 23 || minute > 59 || second > 59 || !(1..=12).contains(&month) || day == 0 {
            return None;
        }
        let days = days_until(year, month)?.checked_add(day - 1)?;
        // A day that its month does not have would be another's.
        let at = Timestamp::from_secs(days * SECS_PER_DAY + hour * 3_600 + minute * 60 + second);
        (Self(at).to_string() == text).then_some(at)
    }
}

/// Three numbers with a separator between.
fn numbers(text: &str, separator: char) -> Option<[u64; 3]> {
    let parts: Option<Vec<u64>> = text
        .split(separator)
        .map(|part| part.parse().ok())
        .collect();
    parts?.try_into().ok()
}

/// How many days lie between 1970 and the first of a month.
fn days_until(year: u64, month: u64) -> Option<u64> {
    if !(1970..=9999).contains(&year) {
        return None;
    }
    let years: u64 = (1970..year)
        .map(|year| 365 + u64::from(is_leap(year)))
        .sum();
    let february = 28 + u64::from(is_leap(year));
    let months = [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30];
    let months = months.into_iter().zip(1..month);
    Some(years + months.map(|(days, _)| days).sum::<u64>())
}

impl fmt::Display for Utc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.0.as_secs();
        let (year, month, day) = civil(secs / SECS_PER_DAY);
        let of_day = secs % SECS_PER_DAY;
        let (hour, minute, second) = (of_day / 3_600, of_day / 60 % 60, of_day % 60);
        write!(
            f,
            "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
        )
    }
}

/// Year, month and day, `days` after 1970-01-01, by stepping through four hundred years, a year and a month at a time.
fn civil(days: u64) -> (u64, u64, u64) {
    let (mut year, mut left) = (
        1970 + days / DAYS_PER_400_YEARS * 400,
        days % DAYS_PER_400_YEARS,
    );
    while left >= 365 + u64::from(is_leap(year)) {
        left -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for days in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if left < days {
            break;
        }
        left -= days;
        month += 1;
    }
    (year, month, left + 1)
}

const fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

const SECS_PER_DAY: u64 = 86_400;
const DAYS_PER_400_YEARS: u64 = 146_097;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (secs, expected) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_668_205_528, "2022-11-11T22:25:28Z"),
            (4_107_542_399, "2100-02-28T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (1_735_689_599, "2024-12-31T23:59:59Z"),
            (253_402_300_799, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(Utc(Timestamp::from_secs(secs)).to_string(), expected);
            assert_eq!(Utc::parse(expected), Some(Timestamp::from_secs(secs)));
        }
    }

    #[test]
    fn what_is_no_date_is_not_read() {
        for text in [
            "",
            "2026-12-31",
            "2026-12-31T00:00:00",
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-01-00T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "1969-12-31T23:59:59Z",
            "99999999999999999999-01-01T00:00:00Z",
            "2026-1-1T0:0:0Z",
        ] {
            assert_eq!(Utc::parse(text), None, "{text}");
        }
    }
}
