//! A row for each bench and peer, as a table or as JSON.

use serde_json::{Map, Value, json};

/// What the specification asks of a row.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// At most so many CPU nanoseconds.
    Nanoseconds(f64),
    /// At least so many a CPU second.
    PerSecond(f64),
    /// At most so many times the peer's CPU time.
    Ratio(f64),
    /// At most so many allocations.
    Allocations(f64),
    /// At most this in a field of its own.
    Extra(&'static str, f64),
    /// At least this in a field of its own.
    AtLeast(&'static str, f64),
}

pub(crate) struct Row {
    pub(crate) bench: String,
    pub(crate) cpu_ns: f64,
    pub(crate) wall_ns: f64,
    pub(crate) allocations: Option<f64>,
    /// Name, CPU nanoseconds and ours by theirs; not numbers if it was not run.
    pub(crate) peer: Option<(&'static str, f64, f64)>,
    pub(crate) target: Option<Target>,
    pub(crate) extra: Vec<(&'static str, f64)>,
}

impl Row {
    fn verdict(&self) -> Option<(String, bool)> {
        Some(match self.target? {
            Target::Nanoseconds(most) => (format!("<= {most:.0} ns"), self.cpu_ns <= most),
            Target::PerSecond(least) => (format!(">= {}/s", thousands(least)), 1e9 / self.cpu_ns >= least),
            Target::Allocations(most) => {
                (format!("<= {most} allocs"), self.allocations.is_some_and(|count| count <= most))
            }
            Target::Ratio(most) => {
                (format!("<= {} x", factor(most)), self.peer.is_some_and(|peer| peer.2 <= most))
            }
            Target::Extra(name, most) => {
                let value = self.extra.iter().find(|extra| extra.0 == name);
                (format!("{name} <= {most}"), value.is_some_and(|extra| extra.1 <= most))
            }
            Target::AtLeast(name, least) => {
                let value = self.extra.iter().find(|extra| extra.0 == name);
                (format!("{name} >= {least}"), value.is_some_and(|extra| extra.1 >= least))
            }
        })
    }

    fn json(&self) -> Value {
        let mut row = Map::new();
        row.insert("bench".into(), json!(self.bench));
        row.insert("ours_cpu_ns".into(), json!(rounded(self.cpu_ns)));
        row.insert("ours_wall_ns".into(), json!(rounded(self.wall_ns)));
        row.insert("allocs".into(), json!(self.allocations.map(rounded)));
        row.insert("peer".into(), json!(self.peer.map(|peer| peer.0)));
        row.insert("peer_cpu_ns".into(), json!(self.peer.map(|peer| rounded(peer.1))));
        let ratio = self.peer.filter(|peer| peer.2.is_finite());
        row.insert("ratio".into(), json!(ratio.map(|peer| factor(peer.2).parse::<f64>().ok())));
        row.extend(self.extra.iter().map(|(name, value)| ((*name).to_owned(), json!(rounded(*value)))));
        if let Some((target, met)) = self.verdict() {
            row.insert("target".into(), json!(target));
            row.insert("met".into(), json!(met));
        }
        Value::Object(row)
    }

    fn line(&self) -> String {
        let allocations = self.allocations.map_or(String::new(), |count| format!("{count:.2}"));
        let (peer, peer_ns, ratio) = match self.peer {
            Some((name, ns, ratio)) if ns.is_finite() => (name, format!("{ns:.0}"), factor(ratio)),
            Some((name, ..)) => (name, String::new(), String::new()),
            None => Default::default(),
        };
        let verdict = self.verdict().map_or(String::new(), |(target, met)| {
            format!("{} {target}", if met { "met   " } else { "MISSED" })
        });
        let extra = self.extra.iter().map(|(name, value)| format!("  {name} {value:.1}"));
        let line = format!(
            "{:<28} {:>9.0} {:>9.0} {:>12} {:>7}  {:<22} {:>11} {:>8}  {verdict}{}",
            self.bench,
            self.cpu_ns,
            self.wall_ns,
            if self.cpu_ns > 0.0 { thousands(1e9 / self.cpu_ns) } else { String::new() },
            allocations,
            peer,
            peer_ns,
            ratio,
            extra.collect::<String>()
        );
        line.trim_end().to_owned()
    }
}

/// Prints rows as they come.
pub(crate) struct Report {
    json: bool,
}

impl Report {
    pub(crate) fn new(json: bool) -> Self {
        if !json {
            println!(
                "{:<28} {:>9} {:>9} {:>12} {:>7}  {:<22} {:>11} {:>8}  target",
                "bench", "cpu ns", "wall ns", "per cpu-s", "allocs", "peer", "peer cpu ns", "ratio"
            );
        }
        Self { json }
    }

    pub(crate) fn print(&self, row: &Row) {
        if self.json {
            println!("{}", row.json());
        } else {
            println!("{}", row.line());
        }
    }
}

/// Three digits that count.
fn factor(value: f64) -> String {
    let digits = if value >= 1.0 { 2.0 } else { 2.0 - value.log10().floor() };
    format!("{value:.0$}", digits.clamp(2.0, 12.0) as usize)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

fn thousands(value: f64) -> String {
    let digits = format!("{value:.0}");
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}
