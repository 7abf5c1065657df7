//! A small writer of line plots as SVG, into `docs/plots/`.

use std::fmt::Write;
use std::path::Path;

/// One plot.
pub(crate) struct Plot<'a> {
    pub(crate) title: &'a str,
    /// What the horizontal axis is.
    pub(crate) across: &'static str,
    /// Whether the horizontal axis is logarithmic.
    pub(crate) logarithmic: bool,
    pub(crate) lines: Vec<Line>,
}

/// One line of it.
pub(crate) struct Line {
    pub(crate) name: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 360.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 150.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;
/// Told apart by those who see fewer colours (Okabe and Ito, 2008).
const COLOURS: [&str; 6] = [
    "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9",
];

impl Plot<'_> {
    /// Writes it into a file of this name.
    pub(crate) fn write(&self, file: &str) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/plots");
        std::fs::create_dir_all(&folder).expect("the folder of plots can be made");
        let path = folder.join(file);
        std::fs::write(&path, self.svg()).expect("the plot can be written");
        println!("wrote docs/plots/{file}");
    }

    fn svg(&self) -> String {
        let mut svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" font-size=\"12\">\n\
             <rect width=\"{WIDTH}\" height=\"{HEIGHT}\" fill=\"white\"/>\n"
        );
        text(&mut svg, (LEFT, 22.0), "start", self.title);
        text(
            &mut svg,
            ((LEFT + WIDTH - RIGHT) / 2.0, HEIGHT - 10.0),
            "middle",
            self.across,
        );
        self.axes(&mut svg);
        for (line, colour) in self.lines.iter().zip(COLOURS) {
            self.line(&mut svg, line, colour);
        }
        for (place, (line, colour)) in self.lines.iter().zip(COLOURS).enumerate() {
            let (x, y) = (WIDTH - RIGHT + 12.0, TOP + 12.0 + 18.0 * place as f64);
            let _ = writeln!(
                svg,
                "<circle cx=\"{x}\" cy=\"{}\" r=\"4\" fill=\"{colour}\"/>",
                y - 4.0
            );
            text(&mut svg, (x + 10.0, y), "start", line.name);
        }
        svg.push_str("</svg>\n");
        svg
    }

    fn axes(&self, svg: &mut String) {
        let top = self.highest();
        for step in 0..=4 {
            let value = top * f64::from(step) / 4.0;
            let y = self.down(value);
            let _ = writeln!(
                svg,
                "<line x1=\"{LEFT}\" x2=\"{}\" y1=\"{y:.1}\" y2=\"{y:.1}\" stroke=\"#ddd\"/>",
                WIDTH - RIGHT
            );
            text(svg, (LEFT - 6.0, y + 4.0), "end", &short(value));
        }
        for (x, _) in self.lines.first().map_or(&[][..], |line| &line.points) {
            text(
                svg,
                (self.over(*x), HEIGHT - BOTTOM + 16.0),
                "middle",
                &short(*x),
            );
        }
    }

    fn line(&self, svg: &mut String, line: &Line, colour: &str) {
        let mut places = String::new();
        for (x, y) in &line.points {
            let (x, y) = (self.over(*x), self.down(*y));
            let _ = write!(places, "{x:.1},{y:.1} ");
            let _ = writeln!(
                svg,
                "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>"
            );
        }
        let _ = writeln!(
            svg,
            "<polyline points=\"{}\" fill=\"none\" stroke=\"{colour}\"/>",
            places.trim_end()
        );
    }

    fn over(&self, x: f64) -> f64 {
        let scale = |x: f64| if self.logarithmic { x.ln() } else { x };
        let all = self.lines.iter().flat_map(|line| &line.points);
        let (least, most) = all.fold((f64::MAX, f64::MIN), |(least, most), (x, _)| {
            (least.min(scale(*x)), most.max(scale(*x)))
        });
        let width = WIDTH - LEFT - RIGHT;
        LEFT + width * (scale(x) - least) / (most - least).max(f64::EPSILON)
    }

    fn down(&self, y: f64) -> f64 {
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * y / self.highest()
    }

    /// The end of the vertical axis: 1, 2 or 5 times a power of ten.
    fn highest(&self) -> f64 {
        let all = self.lines.iter().flat_map(|line| &line.points);
        let most = all.fold(f64::MIN_POSITIVE, |most, (_, y)| most.max(*y));
        let power = 10_f64.powf(most.log10().floor());
        let round = [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power);
        round.into_iter().find(|end| *end >= most).unwrap_or(most)
    }
}

fn text(svg: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn short(value: f64) -> String {
    let text = format!("{value:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
