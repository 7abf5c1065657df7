//! What a node measures, in the text format of Prometheus.
//!
//! The core counts in plain integers, and tells them when it is asked: nothing here is on the way of a datagram. One table,
//! [`catalogue::METRICS`], has name, meaning and reading of each metric; `docs/METRICS.md` is written from it.

mod catalogue;
mod reading;

use prometheus::proto::{
    Bucket, Counter, Gauge, Histogram, LabelPair, Metric, MetricFamily, MetricType,
};
use prometheus::{TEXT_FORMAT, TextEncoder};

use super::context::Context;
use crate::membership::{ROUND_TRIP_BOUNDS, RoundTrips};
use catalogue::{METRICS, Read, Row};
use reading::Reading;

/// Version 0.0.4 of the text format.
pub(super) const CONTENT_TYPE: &str = TEXT_FORMAT;

/// All metrics that have a value now.
pub(super) fn text(context: &Context) -> String {
    let reading = Reading::of(context);
    let families = METRICS.iter().map(|row| family(row, &reading));
    // The encoder refuses those without a value.
    let families: Vec<_> = families
        .filter(|family| !family.get_metric().is_empty())
        .collect();
    let encoded = TextEncoder::new().encode_to_string(&families);
    encoded.expect("every family has a name, a type and values")
}

fn family(row: &Row, reading: &Reading) -> MetricFamily {
    let mut metrics = Vec::new();
    let kind = match row.read {
        Read::Counter(read) => {
            read(reading, &mut |labels, value| {
                metrics.push(counter(row, labels, value))
            });
            MetricType::COUNTER
        }
        Read::Gauge(read) => {
            read(reading, &mut |labels, value| {
                metrics.push(gauge(row, labels, value))
            });
            MetricType::GAUGE
        }
        Read::Histogram(read) => {
            metrics.push(histogram(&read(reading)));
            MetricType::HISTOGRAM
        }
    };
    let mut family = MetricFamily::default();
    family.set_name(row.name.to_owned());
    family.set_help(row.help.to_owned());
    family.set_field_type(kind);
    family.set_metric(metrics);
    family
}

fn counter(row: &Row, values: &[&str], value: f64) -> Metric {
    let mut counter = Counter::default();
    counter.set_value(value);
    let mut metric = Metric::from_label(labels(row, values));
    metric.set_counter(counter);
    metric
}

fn gauge(row: &Row, values: &[&str], value: f64) -> Metric {
    let mut gauge = Gauge::default();
    gauge.set_value(value);
    let mut metric = Metric::from_label(labels(row, values));
    metric.set_gauge(gauge);
    metric
}

fn histogram(trips: &RoundTrips) -> Metric {
    let mut cumulative = 0;
    let classes = ROUND_TRIP_BOUNDS.iter().zip(trips.counts);
    let buckets = classes.map(|(bound, count)| {
        cumulative += count;
        let mut bucket = Bucket::default();
        bucket.set_upper_bound(bound.as_secs_f64());
        bucket.set_cumulative_count(cumulative);
        bucket
    });
    let mut histogram = Histogram::default();
    histogram.set_bucket(buckets.collect());
    histogram.set_sample_count(trips.count());
    histogram.set_sample_sum(trips.sum.as_secs_f64());
    let mut metric = Metric::default();
    metric.set_histogram(histogram);
    metric
}

fn labels(row: &Row, values: &[&str]) -> Vec<LabelPair> {
    debug_assert_eq!(row.labels.len(), values.len(), "{}", row.name);
    let pair = |(name, value): (&&str, &&str)| {
        let mut pair = LabelPair::default();
        pair.set_name((*name).to_owned());
        pair.set_value((*value).to_owned());
        pair
    };
    row.labels.iter().zip(values).map(pair).collect()
}

#[cfg(test)]
mod tests;
