//! Lifeguard's table: `cargo bench --bench papers -- lifeguard [--full] [--at-once] [SERVICE TIME IN µs]`.

use std::time::Duration;

use super::lifeguard::{Cell, Counts, Detections, Parts, Setup, interval, threshold, trace};
use super::parallel;
use super::plot::{Line, Plot};

/// Which cells of the interval experiment are run.
struct Grid {
    anomalous: &'static [usize],
    blocked_ms: &'static [u64],
    normal_ms: &'static [u64],
}

/// The paper's.
const FULL: Grid = Grid {
    anomalous: &[1, 4, 8, 12, 16, 20, 24, 28, 32],
    blocked_ms: &[128, 512, 2_048, 8_192, 16_384, 32_768],
    normal_ms: &[1, 4, 16, 64, 256, 1_024, 4_096, 16_384],
};
/// A few of its values from end to end: 24 cells of 432.
const SUBSET: Grid = Grid {
    anomalous: &[4, 16, 32],
    blocked_ms: &[2_048, 16_384],
    normal_ms: &[1, 16, 256, 4_096],
};
/// How many are anomalous in the threshold experiments, and for how long.
const THRESHOLD: ([usize; 3], Duration) = ([4, 16, 32], Duration::from_secs(60));

/// What the paper says, by row of its tables IV to VI: false positives, those at healthy members and messages, each in percent
/// of SWIM's; the median of the first and of full detection, in seconds.
const PAPER: [[f64; 5]; 5] = [
    [100.0, 100.0, 100.0, 12.44, 12.90],
    [67.72, 32.88, 98.46, 12.42, 12.90],
    [3.00, 6.71, 111.31, 12.42, 12.89],
    [94.08, 44.57, 100.07, 12.45, 12.92],
    [1.53, 1.89, 110.59, 12.45, 12.91],
];
/// False positives by the number anomalous, over 480 runs each, read off the paper's figures 2 and 3.
const PAPER_BY_ANOMALOUS: [(&str, &str, [f64; 9]); 2] = [
    (
        "SWIM",
        "lifeguard-off.svg",
        [
            900.0, 6_000.0, 11_000.0, 23_000.0, 34_000.0, 46_000.0, 59_000.0, 77_000.0, 82_000.0,
        ],
    ),
    (
        "Lifeguard",
        "lifeguard-on.svg",
        [
            18.0, 143.0, 110.0, 225.0, 570.0, 750.0, 840.0, 1_340.0, 1_190.0,
        ],
    ),
];
const PAPER_RUNS: f64 = 480.0;

/// What came of one row.
struct Row {
    parts: Parts,
    sum: Counts,
    /// Mean false positives of a run, by the number anomalous.
    by_anomalous: Vec<(f64, f64)>,
    found: Detections,
}

pub(crate) fn run(full: bool, at_once: bool, service_micros: u64) {
    let grid = if full { FULL } else { SUBSET };
    println!(
        "{} interval experiments a row, {service_micros} µs a message, news at once: {at_once}",
        grid.cells().len()
    );
    println!(
        "| | FP | FP- | FP % (paper) | FP- % (paper) | messages % (paper) | first detection, s: median, p99 (paper's median) | full |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    let mut rows: Vec<Row> = Vec::new();
    for (parts, paper) in Parts::ALL.into_iter().zip(PAPER) {
        let setup = Setup {
            parts,
            service_time: Duration::from_micros(service_micros),
            at_once,
        };
        rows.push(measure(setup, &grid));
        print(&rows[0].sum, &rows[rows.len() - 1], paper);
    }
    rows.iter().for_each(plot);
}

/// With LHA-Probe alone: for the first cell in which a healthy member declares another dead falsely, how it comes to that.
pub(crate) fn trace_probe(service_micros: u64) {
    let setup = Setup {
        parts: Parts::PROBE,
        service_time: Duration::from_micros(service_micros),
        at_once: false,
    };
    let cells = SUBSET.cells();
    let counts = parallel::map(&cells, |(seed, cell)| interval(setup, *cell, *seed));
    for ((_, cell), counts) in cells
        .iter()
        .zip(&counts)
        .filter(|(_, counts)| counts.at_healthy > 0)
    {
        println!("{cell:?}: {} at healthy members", counts.at_healthy);
    }
    let first = cells
        .iter()
        .zip(&counts)
        .find(|(_, counts)| counts.at_healthy > 0);
    if let Some(((seed, cell), _)) = first {
        trace(setup, *cell, *seed);
    }
}

fn measure(setup: Setup, grid: &Grid) -> Row {
    let cells = grid.cells();
    let counts = parallel::map(&cells, |(seed, cell)| interval(setup, *cell, *seed));
    let mean = |anomalous: usize| {
        let of_these = cells
            .iter()
            .zip(&counts)
            .filter(|((_, cell), _)| cell.anomalous == anomalous);
        let found: Vec<_> = of_these.map(|(_, counts)| counts.false_positives).collect();
        found.iter().sum::<usize>() as f64 / found.len() as f64
    };
    let (anomalous, blocked) = THRESHOLD;
    let found = parallel::map(&anomalous, |anomalous| {
        threshold(setup, *anomalous, blocked, *anomalous as u64)
    });
    Row {
        parts: setup.parts,
        by_anomalous: grid
            .anomalous
            .iter()
            .map(|anomalous| (*anomalous as f64, mean(*anomalous)))
            .collect(),
        sum: counts.into_iter().sum(),
        found: found.into_iter().sum(),
    }
}

fn print(swim: &Counts, row: &Row, [fp, at_healthy, messages, first, full]: [f64; 5]) {
    let percent = |of: usize, all: usize| match all {
        0 => "-".to_owned(),
        _ => format!("{:.2}", 100.0 * of as f64 / all as f64),
    };
    println!(
        "| {} | {} | {} | {} ({fp}) | {} ({at_healthy}) | {:.2} ({messages}) | {} ({first}) | {} ({full}) |",
        row.parts.name,
        row.sum.false_positives,
        row.sum.at_healthy,
        percent(row.sum.false_positives, swim.false_positives),
        percent(row.sum.at_healthy, swim.at_healthy),
        100.0 * row.sum.messages as f64 / swim.messages as f64,
        quantiles(&row.found.first),
        quantiles(&row.found.full),
    );
}

/// Ours beside the paper's, for SWIM and for Lifeguard as a whole.
fn plot(row: &Row) {
    let paper = PAPER_BY_ANOMALOUS
        .iter()
        .find(|(name, ..)| *name == row.parts.name);
    let Some((_, file, paper)) = paper else {
        return;
    };
    let paper = FULL
        .anomalous
        .iter()
        .zip(paper)
        .map(|(anomalous, found)| (*anomalous as f64, found / PAPER_RUNS));
    let plot = Plot {
        title: &format!(
            "{}: false positives in an interval experiment",
            row.parts.name
        ),
        across: "anomalous members of 128",
        logarithmic: false,
        lines: vec![
            Line {
                name: "ours",
                points: row.by_anomalous.clone(),
            },
            Line {
                name: "the paper's",
                points: paper.collect(),
            },
        ],
    };
    plot.write(file);
}

fn quantiles(times: &[Duration]) -> String {
    let mut times = times.to_vec();
    times.sort_unstable();
    let at = |percent: usize| {
        let time = times.get((times.len().max(1) - 1) * percent / 100);
        time.map_or(0.0, Duration::as_secs_f64)
    };
    format!("{:.2}, {:.2}", at(50), at(99))
}

impl Grid {
    /// Every cell, with a seed of its own.
    fn cells(&self) -> Vec<(u64, Cell)> {
        let mut cells = Vec::new();
        for anomalous in self.anomalous {
            for blocked_ms in self.blocked_ms {
                for normal_ms in self.normal_ms {
                    let cell = Cell {
                        anomalous: *anomalous,
                        blocked: Duration::from_millis(*blocked_ms),
                        normal: Duration::from_millis(*normal_ms),
                    };
                    cells.push((cells.len() as u64, cell));
                }
            }
        }
        cells
    }
}
