//! What lies between nodes, as it is written: [`LinkSpec`] and [`LinkChange`].

use std::time::Duration;

use serde_json::{Value as Json, json};

use super::fault::ProtocolName;
use super::scalar::{BitRate, Bytes};
use super::who::Who;
use super::yaml::{Reader, Yaml, mapping, text, words};
use crate::config::raw::{Content, Node};
use crate::simulation::{Bandwidth, Effect, Latency, Link, Loss, Rate};

mapping! {
    /// What one direction between two nodes is like. What is left out is as on a quiet local network.
    #[derive(Default)]
    pub struct LinkSpec {
        /// How long a packet is on its way: `1ms`, `1ms..5ms` with every value as likely, or a distribution.
        latency: Option<LatencySpec>,
        /// Which packets are lost: a share, or bursts. A lost segment of a connection is sent again, and arrives late.
        loss: Option<LossSpec>,
        /// How many datagrams arrive twice.
        duplicate: Option<Rate>,
        /// How many packets take a second latency on top, and so let others pass.
        reorder: Option<Rate>,
        /// How many datagrams have a bit flipped; a connection loses the segment.
        corrupt: Option<Rate>,
        /// How much passes in a second.
        bandwidth: Option<BitRate>,
        /// How much may wait where `bandwidth` is short; `256KB` without it.
        queue: Option<Bytes>,
        /// The longest IP packet that passes, in bytes; datagrams in longer ones vanish.
        mtu: Option<Bytes>,
    }
}

mapping! {
    /// Directions between nodes that differ from what they were. What is left out stays.
    #[derive(Default)]
    pub struct LinkChange {
        /// The senders; everyone without it.
        from: Option<Who>,
        /// The recipients; everyone without it.
        to: Option<Who>,
        /// Whether the way back changes as well.
        both_ways: bool = (false),
        /// Only this kind of packet; all without it.
        protocol: Option<ProtocolName>,
        /// How long a packet is on its way.
        latency: Option<LatencySpec>,
        /// Which packets are lost, besides those that are lost anyway.
        loss: Option<LossSpec>,
        /// How many datagrams arrive twice.
        duplicate: Option<Rate>,
        /// How many packets take a second latency on top.
        reorder: Option<Rate>,
        /// How many datagrams have a bit flipped.
        corrupt: Option<Rate>,
        /// How much passes in a second.
        bandwidth: Option<BitRate>,
        /// How much may wait where `bandwidth` is short; `256KB` without it.
        queue: Option<Bytes>,
        /// The longest IP packet that passes, in bytes.
        mtu: Option<Bytes>,
    }
}

impl LinkSpec {
    /// As the virtual network takes it.
    #[must_use]
    pub fn link(&self) -> Link {
        let or = |rate: Option<Rate>, other| rate.unwrap_or(other);
        Link {
            latency: self
                .latency
                .as_ref()
                .map_or(Link::LAN.latency, LatencySpec::latency),
            loss: self.loss.as_ref().map_or(Link::LAN.loss, LossSpec::loss),
            duplicate: or(self.duplicate, Link::LAN.duplicate),
            reorder: or(self.reorder, Link::LAN.reorder),
            corrupt: or(self.corrupt, Link::LAN.corrupt),
            bandwidth: self.bandwidth.map(|rate| bandwidth(rate, self.queue)),
            mtu: self.mtu.map(|mtu| mtu.0),
        }
    }
}

impl LinkChange {
    /// Each thing that it changes.
    pub(super) fn effects(&self) -> Vec<Effect> {
        let effects = [
            self.latency
                .as_ref()
                .map(|latency| Effect::Delay(latency.latency())),
            self.loss.as_ref().map(|loss| Effect::Lose(loss.loss())),
            self.duplicate.map(Effect::Duplicate),
            self.reorder.map(Effect::Reorder),
            self.corrupt.map(Effect::Corrupt),
            self.bandwidth
                .map(|rate| Effect::Throttle(bandwidth(rate, self.queue))),
            self.mtu.map(|mtu| Effect::Mtu(mtu.0)),
        ];
        effects.into_iter().flatten().collect()
    }

    pub(super) fn objection(&self) -> Option<String> {
        let takes = "changes nothing; it takes latency, loss, duplicate, reorder, corrupt, bandwidth or mtu";
        self.effects().is_empty().then(|| takes.to_owned())
    }

    /// A link that is `base` but for these changes.
    pub(super) fn over(&self, base: &LinkSpec) -> LinkSpec {
        let own = self.clone();
        LinkSpec {
            latency: own.latency.or_else(|| base.latency.clone()),
            loss: own.loss.or_else(|| base.loss.clone()),
            duplicate: own.duplicate.or(base.duplicate),
            reorder: own.reorder.or(base.reorder),
            corrupt: own.corrupt.or(base.corrupt),
            bandwidth: own.bandwidth.or(base.bandwidth),
            queue: own.queue.or(base.queue),
            mtu: own.mtu.or(base.mtu),
        }
    }
}

const QUEUE: Bytes = Bytes(256 * 1024);

fn bandwidth(rate: BitRate, queue: Option<Bytes>) -> Bandwidth {
    Bandwidth {
        bits_per_second: rate.0,
        queue: queue.unwrap_or(QUEUE).0,
    }
}

/// How long a packet is on its way: a time, a range, or a distribution.
#[derive(Clone, Debug)]
pub enum LatencySpec {
    /// From the first to the second, every value as likely.
    Between(Duration, Duration),
    /// Drawn from a distribution.
    Drawn(Distribution),
}

mapping! {
    /// A distribution of latencies.
    pub struct Distribution {
        /// Its shape.
        dist: Shape,
        /// Half of all draws are up to this: `lognormal`, `pareto`.
        median: Option<Duration>,
        /// 99 of 100 draws are up to this: `lognormal`, `pareto`.
        p99: Option<Duration>,
        /// The mean: of `normal`, and of what `exponential` adds to `min`.
        mean: Option<Duration>,
        /// The standard deviation of `normal`.
        deviation: Option<Duration>,
        /// The least of `exponential`.
        min: Duration = (Duration::ZERO),
    }
}

words! {
    /// The shape of a distribution.
    pub enum Shape {
        /// A least time, and a wait without memory on top, as behind a queue.
        Exponential = "exponential",
        /// The bell curve over logarithms, as real networks mostly show it.
        LogNormal = "lognormal",
        /// The bell curve.
        Normal = "normal",
        /// A power law, with a heavier tail than `lognormal`.
        Pareto = "pareto",
    }
}

impl LatencySpec {
    pub(super) fn latency(&self) -> Latency {
        match self {
            Self::Between(min, max) => Latency::between(*min, *max),
            Self::Drawn(drawn) => drawn.latency().expect("checked when it was read"),
        }
    }
}

impl Distribution {
    /// None where a parameter of its shape is missing.
    fn latency(&self) -> Option<Latency> {
        Some(match self.dist {
            Shape::Exponential => Latency::exponential(self.min, self.mean?),
            Shape::LogNormal => Latency::lognormal(self.median?, self.p99?),
            Shape::Normal => Latency::normal(self.mean?, self.deviation?),
            Shape::Pareto => Latency::pareto(self.median?, self.p99?),
        })
    }
}

impl Yaml for LatencySpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        if let Content::Mapping(_) = node.content {
            let drawn = Distribution::read(node, reader)?;
            if drawn.latency().is_none() {
                let what = "exponential and normal take a mean, normal a deviation, lognormal and pareto median and p99";
                reader.problem(node.at, what);
                return None;
            }
            return Some(Self::Drawn(drawn));
        }
        let text = text(node, "a latency: 1ms, 1ms..5ms, or a distribution", reader)?;
        let (min, max) = text.split_once("..").unwrap_or((text, text));
        let mut time = |text: &str| {
            let content = Content::Scalar(text.to_owned());
            Duration::read(
                &Node {
                    at: node.at,
                    content,
                },
                reader,
            )
        };
        let (min, max) = (time(min)?, time(max)?);
        if max < min {
            reader.problem(node.at, format!("{text} ends before it begins"));
            return None;
        }
        Some(Self::Between(min, max))
    }

    fn write(&self) -> Json {
        let text = |time: &Duration| time.write().as_str().unwrap_or_default().to_owned();
        match self {
            Self::Between(min, max) if min == max => min.write(),
            Self::Between(min, max) => json!(format!("{}..{}", text(min), text(max))),
            Self::Drawn(drawn) => drawn.write(),
        }
    }

    fn schema() -> Json {
        let pattern = "^[0-9]+(us|ms|s)(\\.\\.[0-9]+(us|ms|s))?$";
        json!({ "anyOf": [{ "title": "time or range", "type": "string", "pattern": pattern }, Distribution::schema()] })
    }
}

/// Which packets are lost.
#[derive(Clone, Debug)]
pub enum LossSpec {
    /// In bursts.
    Bursts(Bursts),
    /// Each alike.
    Even(Rate),
}

mapping! {
    /// Loss in bursts, after Gilbert and Elliott: a path is good or bad, and before each packet it may change.
    pub struct Bursts {
        /// How likely it turns bad.
        turns_bad: Rate,
        /// How likely it turns good again.
        turns_good: Rate,
        /// How many are lost while it is bad.
        loss_when_bad: Rate = (Rate::ALWAYS),
    }
}

impl LossSpec {
    const fn loss(&self) -> Loss {
        match self {
            Self::Bursts(bursts) => Loss::Burst {
                turns_bad: bursts.turns_bad,
                turns_good: bursts.turns_good,
                loss_when_bad: bursts.loss_when_bad,
            },
            Self::Even(rate) => Loss::Even(*rate),
        }
    }
}

impl Yaml for LossSpec {
    fn read(node: &Node, reader: &mut Reader) -> Option<Self> {
        match node.content {
            Content::Mapping(_) => Bursts::read(node, reader).map(Self::Bursts),
            _ => Rate::read(node, reader).map(Self::Even),
        }
    }

    fn write(&self) -> Json {
        match self {
            Self::Bursts(bursts) => bursts.write(),
            Self::Even(rate) => rate.write(),
        }
    }

    fn schema() -> Json {
        json!({ "anyOf": [Rate::schema(), Bursts::schema()] })
    }
}
