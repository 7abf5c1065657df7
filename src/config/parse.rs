//! From a scalar's text to a number, a duration or a truth value, and back.
//!
//! The rules are Spring Boot's, so a value that worked for Zeebe works here: a bare number of a duration is
//! milliseconds, `1.5s` is refused and `PT1.5S` is not, `4MB` is 4 × 1,048,576 bytes and `4mb` is refused.

use std::time::Duration;

/// The truth value that `text` spells, in any case.
pub(super) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "on" | "yes" | "1" => Some(true),
        "false" | "off" | "no" | "0" => Some(false),
        _ => None,
    }
}

/// The nanoseconds that `text` spells: `250ms`, `10s`, `PT1.5S`, or milliseconds without a unit. May be negative.
pub(super) fn duration(text: &str) -> Option<i128> {
    simple_duration(text).or_else(|| iso_duration(text))
}

/// The bytes that `text` spells: `4MB`, `512KB`, or bytes without a unit. May be negative.
pub(super) fn size(text: &str) -> Option<i128> {
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let (number, unit) = split_unit(&compact)?;
    let (_, factor) = SIZE_UNITS.iter().find(|(name, _)| *name == unit)?;
    number.checked_mul(*factor)
}

/// The one of `choices` that `text` spells, whatever its case, dashes and underscores.
pub(super) fn choice(text: &str, choices: &[&'static str]) -> Option<&'static str> {
    let wanted = letters(text);
    choices.iter().copied().find(|name| letters(name) == wanted)
}

/// `duration` in the largest unit that needs no fraction.
pub(super) fn show_duration(duration: Duration) -> String {
    let nanos = duration.as_nanos().cast_signed();
    let largest_first = DURATION_UNITS.iter().rev();
    show_in_units(nanos, largest_first).unwrap_or_else(|| "0s".to_owned())
}

/// `bytes` in the largest unit that needs no fraction.
pub(super) fn show_size(bytes: u64) -> String {
    let largest_first = SIZE_UNITS[1..].iter().rev();
    show_in_units(bytes.into(), largest_first).unwrap_or_else(|| "0B".to_owned())
}

const DURATION_UNITS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", SECOND),
    ("m", 60 * SECOND),
    ("h", 3_600 * SECOND),
    ("d", 86_400 * SECOND),
];
const SECOND: i128 = 1_000_000_000;

const SIZE_UNITS: [(&str, i128); 6] = [
    ("", 1),
    ("B", 1),
    ("KB", 1 << 10),
    ("MB", 1 << 20),
    ("GB", 1 << 30),
    ("TB", 1 << 40),
];

fn simple_duration(text: &str) -> Option<i128> {
    let (number, unit) = split_unit(text)?;
    let unit = if unit.is_empty() { "ms" } else { unit };
    let (_, factor) = DURATION_UNITS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.checked_mul(*factor)
}

/// ISO 8601 as Java reads it: `PnDTnHnMn.nS`, a sign before the whole and before each number.
fn iso_duration(text: &str) -> Option<i128> {
    let (sign, unsigned) = split_sign(text);
    let body = unsigned.strip_prefix(['p', 'P'])?.to_ascii_uppercase();
    let (days, time) = match body.split_once('T') {
        Some((_, "")) => return None,
        Some((days, time)) => (days, time),
        None => (body.as_str(), ""),
    };
    let (days, rest) = iso_field(days, 'D')?;
    if !rest.is_empty() {
        return None;
    }
    let (hours, time) = iso_field(time, 'H')?;
    let (minutes, time) = iso_field(time, 'M')?;
    let seconds = match time.strip_suffix('S') {
        Some(number) => decimal_seconds(number)?,
        None if time.is_empty() => 0,
        None => return None,
    };
    let whole_minutes = (days * 24 + hours) * 60 + minutes;
    (!body.is_empty()).then_some(sign * (whole_minutes * 60 * SECOND + seconds))
}

/// The number before `unit` at the start of `text`, 0 where the unit does not occur, and what follows.
fn iso_field(text: &str, unit: char) -> Option<(i128, &str)> {
    match text.split_once(unit) {
        Some((number, rest)) => Some((integer(number)?, rest)),
        None => Some((0, text)),
    }
}

/// Nanoseconds of `3`, `-3.25` or `3.`, with at most nine decimals.
fn decimal_seconds(text: &str) -> Option<i128> {
    let (sign, unsigned) = split_sign(text);
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let nanos: i128 = format!("{fraction:0<9}").parse().ok()?;
    (!whole.starts_with(['+', '-'])).then_some(sign * (integer(whole)? * SECOND + nanos))
}

/// Splits `+12ab` into 12 and `ab`.
fn split_unit(text: &str) -> Option<(i128, &str)> {
    let unit_at = text
        .trim_end_matches(|c: char| c.is_ascii_alphabetic())
        .len();
    let (number, unit) = text.split_at(unit_at);
    Some((integer(number)?, unit))
}

fn split_sign(text: &str) -> (i128, &str) {
    match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text.strip_prefix('+').unwrap_or(text)),
    }
}

/// A whole number of 64 bits, so that no product with a unit overflows.
pub(super) fn integer(text: &str) -> Option<i128> {
    text.parse::<i64>().ok().map(i128::from)
}

fn letters(text: &str) -> String {
    text.chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect()
}

fn show_in_units<'u>(
    amount: i128,
    mut largest_first: impl Iterator<Item = &'u (&'static str, i128)>,
) -> Option<String> {
    if amount == 0 {
        return None;
    }
    largest_first
        .find(|(_, factor)| amount % factor == 0)
        .map(|(unit, factor)| format!("{}{unit}", amount / factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: i128 = 1_000_000;

    #[test]
    fn durations_are_read_as_spring_reads_them() {
        for (text, expected) in [
            ("250ms", Some(250 * MS)),
            ("250", Some(250 * MS)),
            ("+10s", Some(10 * SECOND)),
            ("10S", Some(10 * SECOND)),
            ("1m", Some(60 * SECOND)),
            ("2h", Some(7_200 * SECOND)),
            ("1d", Some(86_400 * SECOND)),
            ("7us", Some(7_000)),
            ("7ns", Some(7)),
            ("-1s", Some(-SECOND)),
            ("0", Some(0)),
            ("PT1.5S", Some(1_500 * MS)),
            ("pt0.25s", Some(250 * MS)),
            ("P1D", Some(86_400 * SECOND)),
            ("P1DT1H1M1S", Some((86_400 + 3_661) * SECOND)),
            ("PT-6H+3M", Some((-6 * 3_600 + 180) * SECOND)),
            ("-PT-6H", Some(6 * 3_600 * SECOND)),
            ("PT-0.5S", Some(-500 * MS)),
            ("1.5s", None),
            ("1 s", None),
            ("10sec", None),
            ("1m30s", None),
            ("10w", None),
            ("s", None),
            ("", None),
            ("-", None),
            ("P", None),
            ("PT", None),
            ("P1", None),
            ("P1W", None),
            ("PT1S1M", None),
            ("PT1.5M", None),
            ("PT--1S", None),
            ("PT0.1234567890S", None),
            ("99999999999999999999s", None),
        ] {
            assert_eq!(duration(text), expected, "{text:?}");
        }
    }

    #[test]
    fn sizes_are_powers_of_1024_in_capitals() {
        for (text, expected) in [
            ("4MB", Some(4 << 20)),
            ("4 MB", Some(4 << 20)),
            ("1KB", Some(1_024)),
            ("1GB", Some(1 << 30)),
            ("1TB", Some(1 << 40)),
            ("17B", Some(17)),
            ("17", Some(17)),
            ("-1MB", Some(-(1 << 20))),
            ("4mb", None),
            ("4Mb", None),
            ("4M", None),
            ("4MiB", None),
            ("4.5MB", None),
            ("MB", None),
            ("", None),
        ] {
            assert_eq!(size(text), expected, "{text:?}");
        }
    }

    #[test]
    fn booleans_have_four_spellings_each() {
        for text in ["true", "on", "yes", "1", "TRUE", "Yes"] {
            assert_eq!(boolean(text), Some(true), "{text:?}");
        }
        for text in ["false", "off", "no", "0", "False", "NO"] {
            assert_eq!(boolean(text), Some(false), "{text:?}");
        }
        for text in ["", "y", "enabled", "2", "tru"] {
            assert_eq!(boolean(text), None, "{text:?}");
        }
    }

    #[test]
    fn choices_ignore_case_and_separators() {
        let choices = ["any", "sameHost", "off"];
        for text in ["sameHost", "SAME_HOST", "same-host", "samehost"] {
            assert_eq!(choice(text, &choices), Some("sameHost"), "{text:?}");
        }
        for text in ["", "same", "samehosts"] {
            assert_eq!(choice(text, &choices), None, "{text:?}");
        }
    }

    #[test]
    fn values_are_shown_in_the_largest_exact_unit() {
        for (millis, expected) in [(0, "0s"), (1, "1ms"), (1_500, "1500ms"), (60_000, "1m")] {
            assert_eq!(show_duration(Duration::from_millis(millis)), expected);
        }
        for (bytes, expected) in [(0, "0B"), (17, "17B"), (1_536, "1536B"), (4 << 20, "4MB")] {
            assert_eq!(show_size(bytes), expected);
        }
    }
}
