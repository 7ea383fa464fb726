use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use dispatch_core::{ErrorCode, Problem};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::likeness::suggestion;
use super::target::KEYS;
use super::{TargetConfig, shape};

/// Reads options one by one and remembers everything that is wrong with them.
///
/// Nothing is returned as an error: what cannot be read becomes a problem, and its default takes its place, so
/// that reading goes on. Whoever made the `Fields` asks for the problems at the [end](Self::finish); options that
/// nobody has read are among them.
///
/// No problem that it makes shows the value of an option: it may be a secret in the wrong place.
///
/// ```
/// use dispatch_adapters::config::Fields;
/// use serde_json::json;
///
/// let options = json!({ "port": "eighty", "hots": "example.com" });
/// let mut fields = Fields::new("target 'crm'", options.as_object().unwrap());
/// let (host, port): (String, u16) = (fields.required("host"), fields.or("port", 80));
/// assert_eq!((host.as_str(), port), ("", 80));
/// let problems: Vec<_> = fields.finish().iter().map(ToString::to_string).collect();
/// assert_eq!(problems, [
///     "INVALID_CONFIGURATION: target 'crm': option 'host' is missing: give it",
///     "INVALID_CONFIGURATION: target 'crm': option 'hots' is unknown: did you mean 'host'?",
///     "INVALID_PARAMETER: target 'crm': option 'port': expected a whole number from 0 to 65535, found a text",
/// ]);
/// ```
pub struct Fields<'a> {
    whose: String,
    prefix: String,
    map: &'a Map<String, Value>,
    asked: BTreeSet<String>,
    /// Options that could not be read; a default has taken their place.
    unread: BTreeSet<String>,
    /// Further names that may have been meant.
    others: &'static [&'static str],
    /// Of the target: whether it is asynchronous, and its time-out.
    target: (bool, Duration),
    problems: Vec<Problem>,
}

impl<'a> Fields<'a> {
    /// Begins to read; `whose` is what the problems begin with.
    pub fn new(whose: impl Into<String>, map: &'a Map<String, Value>) -> Self {
        Self {
            whose: whose.into(),
            prefix: String::new(),
            map,
            asked: BTreeSet::new(),
            unread: BTreeSet::new(),
            others: &[],
            target: (false, TargetConfig::TIMEOUT),
            problems: Vec::new(),
        }
    }

    /// An unknown option may have been meant as one of these, which somebody else reads.
    pub(crate) const fn beside(mut self, others: &'static [&'static str]) -> Self {
        self.others = others;
        self
    }

    /// The options of a target's adapter: an unknown one may have been meant as one of the target's own.
    pub(super) fn of_target(target: &'a TargetConfig) -> Self {
        let mut fields = Self::new(format!("target '{}'", target.name), &target.options);
        fields.others = KEYS;
        fields.target = (target.async_, target.timeout);
        fields
    }

    /// Whether the target answers as soon as the envelope is queued.
    #[must_use]
    pub const fn is_async(&self) -> bool {
        self.target.0
    }

    /// How long one attempt may take, as the target says.
    #[must_use]
    pub const fn timeout(&self) -> Duration {
        self.target.1
    }

    /// The value of an option as it is; JSON's `null` is no value.
    pub fn raw(&mut self, name: &str) -> Option<&'a Value> {
        self.asked.insert(name.to_owned());
        self.map.get(name).filter(|value| !value.is_null())
    }

    /// Whether an option is JSON's `null`, which is not the same as absent where the default is something.
    pub(super) fn is_null(&mut self, name: &str) -> bool {
        self.asked.insert(name.to_owned());
        self.map.get(name).is_some_and(Value::is_null)
    }

    /// An option that may be absent.
    pub fn optional<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let value = self.raw(name)?;
        match T::deserialize(value) {
            Ok(value) => Some(value),
            Err(error) => {
                let what = shape::of(&error, value);
                self.wrong(ErrorCode::InvalidParameter, name, &format!(": {what}"));
                None
            }
        }
    }

    /// An option with a default.
    pub fn or<T: DeserializeOwned>(&mut self, name: &str, default: T) -> T {
        self.optional(name).unwrap_or(default)
    }

    /// An option that has to be there. If it is not, that is a problem, and the default of its type takes its place.
    pub fn required<T: DeserializeOwned + Default>(&mut self, name: &str) -> T {
        self.needed(name).unwrap_or_default()
    }

    /// An option that has to be there, of a type without a default. `None` goes with a problem.
    pub fn needed<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        if self.raw(name).is_none() {
            self.wrong(ErrorCode::InvalidConfiguration, name, " is missing: give it");
        }
        self.optional(name)
    }

    /// A duration in whole milliseconds; by custom its name ends with `_ms`.
    pub fn millis(&mut self, name: &str, default: Duration) -> Duration {
        self.optional(name).map_or(default, Duration::from_millis)
    }

    /// One of some words, which are those of the type; absent means the type's default.
    pub fn choice<T: DeserializeOwned + Default>(&mut self, name: &str, words: &[&str]) -> T {
        let Some(value) = self.raw(name) else {
            return T::default();
        };
        match value.as_str() {
            Some(word) if words.contains(&word) => self.optional(name).unwrap_or_default(),
            word => {
                let meant = word.map(|word| suggestion(word, words.iter().copied())).unwrap_or_default();
                let text = format!(": use one of {}{}", words.join(", "), tail("; ", &meant));
                self.wrong(ErrorCode::InvalidParameter, name, &text);
                T::default()
            }
        }
    }

    /// A table that may be absent, read like this one.
    pub fn table<T>(&mut self, name: &str, read: impl FnOnce(&mut Fields<'_>) -> T) -> Option<T> {
        let value = self.raw(name)?;
        let Value::Object(map) = value else {
            self.wrong(ErrorCode::InvalidParameter, name, ": expected a table");
            return None;
        };
        let mut inner = Fields::new(self.whose.clone(), map);
        inner.target = self.target;
        inner.prefix = format!("{}{name}.", self.prefix);
        let table = read(&mut inner);
        self.unread.append(&mut inner.unread);
        self.problems.append(&mut inner.finish());
        Some(table)
    }

    /// Adds a problem; the text says what is wrong and what to do.
    pub fn refuse(&mut self, code: ErrorCode, text: &str) {
        let text = if self.whose.is_empty() { text.to_owned() } else { format!("{}: {text}", self.whose) };
        self.problems.push(Problem::new(code, text));
    }

    /// Adds problems that were found otherwise.
    pub fn refuse_all(&mut self, problems: impl IntoIterator<Item = Problem>) {
        for problem in problems {
            self.refuse(problem.code(), problem.message());
        }
    }

    /// What the problems begin with.
    #[must_use]
    pub fn whose(&self) -> &str {
        &self.whose
    }

    /// Everything that is wrong, sorted, with the options that nobody has read.
    #[must_use = "these are the problems"]
    pub fn finish(mut self) -> Vec<Problem> {
        let map = self.map;
        for name in map.keys().filter(|name| !self.asked.contains(*name)).collect::<Vec<_>>() {
            let known = self.asked.iter().map(String::as_str).chain(self.others.iter().copied());
            let meant = suggestion(name, known);
            let text = if !meant.is_empty() {
                meant
            } else if self.asked.is_empty() {
                "remove it, there are no options".to_owned()
            } else {
                format!("use {}", self.asked.iter().map(String::as_str).collect::<Vec<_>>().join(", "))
            };
            self.wrong(ErrorCode::InvalidConfiguration, name, &format!(" is unknown: {text}"));
        }
        self.problems.sort();
        self.problems.dedup();
        self.problems
    }

    /// Adds what an adapter says about its own options, but for what it says about a default that stands for an
    /// option that could not be read. By custom such a text begins with the name of the option.
    pub(super) fn refuse_validated(&mut self, problems: Vec<Problem>) {
        let about = |problem: &Problem, name: &String| {
            let rest = problem.message().strip_prefix(name.as_str());
            rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || "_.".contains(c)))
        };
        let unread = std::mem::take(&mut self.unread);
        let news = |problem: &Problem| !unread.iter().any(|name| about(problem, name));
        self.refuse_all(problems.into_iter().filter(news));
    }

    /// Every option that there is and has a value.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&'a str, &'a Value)> + use<'a> {
        let entries = self.map.iter().filter(|(_, value)| !value.is_null());
        entries.map(|(name, value)| (name.as_str(), value))
    }

    /// Takes note that an option of this name can be given.
    pub(super) fn known(&mut self, name: &str) {
        self.asked.insert(name.to_owned());
    }

    /// The names of all options that there are.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.map.keys().map(String::as_str)
    }

    pub(super) fn wrong(&mut self, code: ErrorCode, name: &str, what: &str) {
        self.unread.insert(format!("{}{name}", self.prefix));
        self.refuse(code, &format!("option '{}{name}'{what}", self.prefix));
    }
}

impl fmt::Debug for Fields<'_> {
    /// Shows the names of the options and no value of them.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Fields")
            .field("whose", &self.whose)
            .field("prefix", &self.prefix)
            .field("options", &self.map.keys().collect::<Vec<_>>())
            .field("asked", &self.asked)
            .field("problems", &self.problems)
            .finish_non_exhaustive()
    }
}

fn tail(separator: &str, text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("{separator}{text}") }
}
