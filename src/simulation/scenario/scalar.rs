//! Scalars of a scenario: times, shares, sizes and numbers, each with a unit.

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::yaml::{Reader, Yaml, text};
use crate::config::raw::{Content, Node};
use crate::config::{Kind, Value};
use crate::simulation::Rate;

/// Reads a scalar of one of the configuration's kinds.
fn of_kind(kind: Kind, node: &Node, reader: &mut Reader) -> Option<Value> {
    let text = text(node, &kind.to_string(), reader)?;
    let value = kind.parse(text);
    value
        .map_err(|error| reader.problem(node.at, format!("{text} is {error}; it takes {kind}")))
        .ok()
}

const TIME: Kind = Kind::Duration {
    min: Duration::ZERO,
    max: Duration::from_secs(100 * 365 * 86_400),
};

impl Yaml for Duration {
    /// As in the configuration, except that a number needs its unit.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Content::Scalar(text) = &node.content
            && text.parse::<u64>().is_ok_and(|number| number != 0)
        {
            let hint = format!("{text} has no unit; write {text}s or {text}ms");
            reader.problem(node.at, hint);
            return None;
        }
        match of_kind(TIME, node, reader)? {
            Value::Duration(duration) => Some(duration),
            other => unreachable!("a duration is no {other:?}"),
        }
    }

    fn write(&self) -> Json {
        json!(Value::Duration(*self).to_string())
    }

    fn schema() -> Json {
        json!({ "title": "time", "type": ["string", "integer"], "pattern": "^([0-9]+(ns|us|ms|s|m|h|d)|0|P.+)$", "maximum": 0 })
    }
}

impl Yaml for bool {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match of_kind(Kind::Bool, node, reader)? {
            Value::Bool(value) => Some(value),
            other => unreachable!("a truth value is no {other:?}"),
        }
    }

    fn write(&self) -> Json {
        json!(self)
    }

    fn schema() -> Json {
        json!({ "title": "true, false", "type": "boolean" })
    }
}

impl Yaml for u32 {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let (min, max) = (0, i64::from(Self::MAX));
        match of_kind(Kind::Int { min, max }, node, reader)? {
            Value::Int(number) => Self::try_from(number).ok(),
            other => unreachable!("a whole number is no {other:?}"),
        }
    }

    fn write(&self) -> Json {
        json!(self)
    }

    fn schema() -> Json {
        json!({ "title": "number", "type": "integer", "minimum": 0, "maximum": Self::MAX })
    }
}

impl Yaml for String {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        text(node, "text", reader).map(str::to_owned)
    }

    fn write(&self) -> Json {
        json!(self)
    }

    fn schema() -> Json {
        json!({ "title": "text", "type": "string", "minLength": 1 })
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bytes(pub usize);

impl Yaml for Bytes {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let (min, max) = (0, 1 << 40);
        match of_kind(Kind::Size { min, max }, node, reader)? {
            Value::Size(bytes) => usize::try_from(bytes).ok().map(Self),
            other => unreachable!("a size is no {other:?}"),
        }
    }

    fn write(&self) -> Json {
        json!(Value::Size(self.0 as u64).to_string())
    }

    fn schema() -> Json {
        json!({ "title": "size", "type": ["string", "integer"], "pattern": "^[0-9]+ ?(B|KB|MB|GB|TB)?$", "minimum": 0 })
    }
}

/// How many bits pass in a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitRate(pub u64);

/// From the largest.
const BIT_RATES: [(&str, u64); 4] = [
    ("gbit", 1_000_000_000),
    ("mbit", 1_000_000),
    ("kbit", 1_000),
    ("bit", 1),
];

impl Yaml for BitRate {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let takes = "bits a second, written 500kbit, 10mbit or 1gbit";
        let text = text(node, takes, reader)?;
        let rate = BIT_RATES.iter().find_map(|(unit, factor)| {
            let number: u64 = text.strip_suffix(unit)?.parse().ok()?;
            number.checked_mul(*factor).map(Self)
        });
        if rate.is_none() {
            reader.problem(node.at, format!("{text} is no bandwidth; it takes {takes}"));
        }
        rate
    }

    fn write(&self) -> Json {
        let exact = BIT_RATES
            .iter()
            .find(|(_, factor)| self.0.is_multiple_of(*factor));
        let (unit, factor) = exact.expect("every number divides by 1");
        json!(format!("{}{unit}", self.0 / factor))
    }

    fn schema() -> Json {
        json!({ "title": "bits a second", "type": "string", "pattern": "^[0-9]+(bit|kbit|mbit|gbit)$" })
    }
}

/// Parts in a million, less than a million either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ppm(pub i32);

impl Yaml for Ppm {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let takes = "parts in a million, written 200ppm or -200ppm";
        let text = text(node, takes, reader)?;
        let number = text
            .strip_suffix("ppm")
            .and_then(|number| number.parse::<i32>().ok());
        let ppm = number
            .filter(|number| number.unsigned_abs() < 1_000_000)
            .map(Self);
        if ppm.is_none() {
            reader.problem(node.at, format!("{text} is no drift; it takes {takes}"));
        }
        ppm
    }

    fn write(&self) -> Json {
        json!(format!("{}ppm", self.0))
    }

    fn schema() -> Json {
        json!({ "title": "parts in a million", "type": "string", "pattern": "^-?[0-9]+ppm$" })
    }
}

/// How many times as much, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Factor(pub u32);

impl Yaml for Factor {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let number = u32::read(node, reader)?;
        if number == 0 {
            reader.problem(node.at, "takes a whole number from 1");
            return None;
        }
        Some(Self(number))
    }

    fn write(&self) -> Json {
        json!(self.0)
    }

    fn schema() -> Json {
        json!({ "title": "number from 1", "type": "integer", "minimum": 1 })
    }
}

impl Yaml for Rate {
    /// A percentage with up to four decimals.
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        let takes = "a share from 0% to 100%, written 5% or 0.1%";
        let text = text(node, takes, reader)?;
        let share = percentage(text).map(Self::new);
        if share.is_none() {
            reader.problem(node.at, format!("{text} is no share; it takes {takes}"));
        }
        share
    }

    fn write(&self) -> Json {
        let (whole, rest) = (self.per_million() / 10_000, self.per_million() % 10_000);
        let fraction = format!(".{rest:04}");
        json!(format!(
            "{whole}{}%",
            fraction.trim_end_matches('0').trim_end_matches('.')
        ))
    }

    fn schema() -> Json {
        json!({ "title": "share", "type": "string", "pattern": "^[0-9]+(\\.[0-9]{1,4})?%$" })
    }
}

/// Millionths of a percentage from 0 to 100.
pub(super) fn percentage(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if fraction.is_empty() || fraction.len() > 4 || !is_digits(fraction) || !is_digits(whole) {
        return None;
    }
    let whole: u32 = whole.parse().ok()?;
    let fraction: u32 = format!("{fraction:0<4}").parse().ok()?;
    let millionths = whole.checked_mul(10_000)?.checked_add(fraction)?;
    (millionths <= 1_000_000).then_some(millionths)
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

/// Settings under the names of the configuration, as a configuration file has them.
#[derive(Clone, Debug)]
pub struct Overrides(pub(crate) Node);

impl Yaml for Overrides {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match &node.content {
            Content::Mapping(_) => Some(Self(node.clone())),
            _ => {
                reader.problem(node.at, "takes settings, as a configuration file has them");
                None
            }
        }
    }

    fn write(&self) -> Json {
        plain(&self.0)
    }

    fn schema() -> Json {
        json!({ "title": "settings", "type": "object" })
    }
}

/// A tree without positions.
pub(super) fn plain(node: &Node) -> Json {
    match &node.content {
        Content::Mapping(entries) => {
            let entry =
                |(name, node): &(crate::config::raw::Name, Node)| (name.text.clone(), plain(node));
            Json::Object(entries.iter().map(entry).collect())
        }
        Content::Scalar(text) => json!(text),
        Content::Sequence(items) => items.iter().map(plain).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::raw;

    fn read<T: Yaml>(text: &str) -> Result<T, String> {
        let mut reader = Reader::default();
        let value = T::read(&raw::parse(text).unwrap(), &mut reader);
        value.ok_or_else(|| reader.problems[0].to_string())
    }

    #[test]
    fn shares_are_exact_and_written_as_read() {
        for (text, millionths) in [
            ("0%", 0),
            ("5%", 50_000),
            ("0.1%", 1_000),
            ("12.0625%", 120_625),
            ("100%", 1_000_000),
        ] {
            let rate: Rate = read(text).unwrap();
            assert_eq!(rate.per_million(), millionths, "{text}");
            assert_eq!(rate.write(), json!(text));
        }
        for text in ["5", "-1%", "100.1%", "1.%", ".5%", "0.00001%", "+5%"] {
            assert!(read::<Rate>(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_time_needs_its_unit() {
        assert_eq!(read::<Duration>("90s"), Ok(Duration::from_secs(90)));
        assert_eq!(read::<Duration>("0"), Ok(Duration::ZERO));
        let error = read::<Duration>("30").unwrap_err();
        assert_eq!(error, "30 has no unit; write 30s or 30ms");
        assert!(
            read::<Duration>("1.5s")
                .unwrap_err()
                .starts_with("1.5s is not a duration; it takes")
        );
    }
}
