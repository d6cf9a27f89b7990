//! What was measured, as a table and as a chart.

use std::fmt::Write as _;

/// What a ratio, or a figure without an anchor, has to be.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bar {
    AtMost(f64),
    AtLeast(f64),
}

/// One measurement of a job, and of its anchor beside it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Round {
    pub(crate) figure: f64,
    pub(crate) anchor: Option<f64>,
}

impl Round {
    /// What is held against the bar.
    fn compared(self) -> f64 {
        self.anchor.map_or(self.figure, |anchor| self.figure / anchor)
    }
}

/// A job, and its rounds.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) job: String,
    pub(crate) unit: &'static str,
    pub(crate) anchor: &'static str,
    pub(crate) bar: Option<Bar>,
    pub(crate) rounds: Vec<Round>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Met,
    /// Missed by no more than the rounds differ.
    Near,
    Missed,
    NoBar,
}

impl Line {
    fn middle(&self, of: impl Fn(&Round) -> f64) -> f64 {
        let mut figures: Vec<_> = self.rounds.iter().map(of).collect();
        figures.sort_by(f64::total_cmp);
        figures.get(figures.len() / 2).copied().unwrap_or(f64::NAN)
    }

    /// The median of what is held against the bar.
    pub(crate) fn compared(&self) -> f64 {
        self.middle(|round| round.compared())
    }

    /// The least and the most of it.
    fn spread(&self) -> (f64, f64) {
        let all = self.rounds.iter().map(|round| round.compared());
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(least, most), one| {
            (least.min(one), most.max(one))
        })
    }

    fn verdict(&self) -> Verdict {
        let (least, most) = self.spread();
        let (met, near) = match self.bar {
            None => return Verdict::NoBar,
            Some(Bar::AtMost(bar)) => (self.compared() <= bar, least <= bar),
            Some(Bar::AtLeast(bar)) => (self.compared() >= bar, most >= bar),
        };
        match (met, near) {
            (true, _) => Verdict::Met,
            (false, true) => Verdict::Near,
            (false, false) => Verdict::Missed,
        }
    }

    /// Whether it is on the wrong side of its bar in every round.
    pub(crate) fn is_missed(&self) -> bool {
        self.verdict() == Verdict::Missed
    }

    fn row(&self) -> String {
        let anchor = match self.rounds.first().and_then(|round| round.anchor) {
            None => "–".to_owned(),
            Some(_) => {
                let anchor = self.middle(|round| round.anchor.unwrap_or(f64::NAN));
                format!("{} {} ({})", short(anchor), self.unit, self.anchor)
            }
        };
        let bar = match self.bar {
            None => "–".to_owned(),
            Some(Bar::AtMost(bar)) => format!("≤ {bar}"),
            Some(Bar::AtLeast(bar)) => format!("≥ {bar}"),
        };
        let verdict = match self.verdict() {
            Verdict::Met => "met",
            Verdict::Near => "missed within the spread",
            Verdict::Missed => "**missed**",
            Verdict::NoBar => "–",
        };
        let (least, most) = self.spread();
        format!(
            "| {} | {} {} | {anchor} | {} | {} to {} | {bar} | {verdict} |",
            self.job,
            short(self.middle(|round| round.figure)),
            self.unit,
            short(self.compared()),
            short(least),
            short(most),
        )
    }
}

/// Three digits that count.
fn short(figure: f64) -> String {
    let decimals = if figure.abs() >= 100.0 {
        0
    } else if figure.abs() >= 10.0 {
        1
    } else {
        2
    };
    let decimals = if figure.abs() < 1.0 { 3 } else { decimals };
    format!("{figure:.decimals$}")
}

/// The report in Markdown.
pub(crate) fn markdown(title: &str, facts: &[String], lines: &[Line], chart: &str) -> String {
    let mut text = format!("# {title}\n\n");
    for fact in facts {
        let _ = writeln!(text, "- {fact}");
    }
    let _ = write!(
        text,
        "\n![Each ratio against its bar]({chart})\n\n\
         | job | figure | anchor | ratio | spread | bar | |\n|---|---|---|---|---|---|---|\n"
    );
    for line in lines {
        text.push_str(&line.row());
        text.push('\n');
    }
    text
}

/// How many times its bar each job reaches, as an SVG: beyond 1 is better than the bar.
pub(crate) fn chart(title: &str, lines: &[Line]) -> String {
    const LEFT: f64 = 330.0;
    const ONE: f64 = 160.0;
    const MOST: f64 = 2.5;
    const STEP: f64 = 26.0;
    let barred: Vec<_> = lines.iter().filter_map(|line| Some((line, line.bar?))).collect();
    let height = STEP * barred.len() as f64 + 70.0;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"860\" height=\"{height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <text x=\"12\" y=\"22\" font-size=\"15\">{title}: times the bar (1 = the bar, longer is better)</text>\n"
    );
    for (place, (line, bar)) in barred.iter().enumerate() {
        let reached = match bar {
            Bar::AtMost(bar) => bar / line.compared().max(f64::EPSILON),
            Bar::AtLeast(bar) => line.compared() / bar,
        };
        let colour = match line.verdict() {
            Verdict::Met => "#3b7d4f",
            Verdict::Near => "#c98a1b",
            Verdict::Missed | Verdict::NoBar => "#b23a3a",
        };
        let top = 40.0 + STEP * place as f64;
        let (width, beyond) = (reached.min(MOST) * ONE, if reached > MOST { " →" } else { "" });
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{}\" text-anchor=\"end\">{}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{width:.0}\" height=\"18\" fill=\"{colour}\"/>\n\
             <text x=\"{:.0}\" y=\"{}\">{reached:.2}{beyond}</text>\n",
            LEFT - 8.0,
            top + 13.0,
            line.job,
            LEFT + width + 6.0,
            top + 13.0,
        );
    }
    let (x, bottom) = (LEFT + ONE, height - 22.0);
    let _ = write!(
        svg,
        "<line x1=\"{x}\" y1=\"34\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"black\" stroke-dasharray=\"3 3\"/>\n\
         </svg>\n"
    );
    svg
}
