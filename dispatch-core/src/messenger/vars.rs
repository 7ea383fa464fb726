//! Variables of the environment as a layer of a configuration.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::name::shown;
use super::{ConfigLayers, MessengerError, MessengerErrorCode};

/// What a variable says.
struct Variable {
    /// Its name, behind the prefix.
    name: &'static str,
    /// Where its value goes.
    path: &'static [&'static str],
    form: Form,
    /// What it has to be.
    wanted: &'static str,
}

#[derive(Clone, Copy)]
enum Form {
    Text,
    /// A number or an object, as JSON writes it.
    Json,
}

const fn text(name: &'static str, path: &'static [&'static str], wanted: &'static str) -> Variable {
    Variable { name, path, form: Form::Text, wanted }
}

const fn json(name: &'static str, path: &'static [&'static str], wanted: &'static str) -> Variable {
    Variable { name, path, form: Form::Json, wanted }
}

/// In the order in which they are put over each other.
const VARIABLES: [Variable; 17] = [
    text("PROFILE", &["profile"], "production, development or test"),
    text("DEFAULT_TRANSPORT", &["default_transport"], "the name of a transport"),
    text("DEFAULT_QUEUE", &["default_queue"], "the name of a queue"),
    json("DEFAULT_PRIORITY", &["default_priority"], "a whole number from 1 to 10"),
    json("DEDUP_WINDOW_MS", &["dedup_window_ms"], "a whole number of milliseconds"),
    text("IDEMPOTENCY", &["idempotency"], "explicit or auto"),
    text("DUPLICATES", &["duplicates"], "return_existing, reject or replace"),
    json("TRANSPORTS", &["transports"], "a JSON object of transports by name, each with a type"),
    json("ROUTING", &["routing"], "a JSON object: for each message type one transport or a list of them"),
    json("TOPICS", &["topics"], "a JSON object of topics by message type"),
    json(
        "PRIORITY_TIERS",
        &["priority_tiers"],
        "a JSON object with low, high and the transports of the tiers",
    ),
    json("WORKERS", &["workers"], "a JSON object of workers by name"),
    json("RETRY", &["retry"], "a JSON object of retry policies by message type"),
    json("RETRY_MAX_RETRIES", &["retry", "default", "max_retries"], "a whole number"),
    json("RETRY_BASE_MS", &["retry", "default", "base_ms"], "a whole number of milliseconds"),
    json("RETRY_MULTIPLIER", &["retry", "default", "multiplier"], "a number"),
    json("RETRY_CAP_MS", &["retry", "default", "cap_ms"], "a whole number of milliseconds"),
];

/// The one variable that is no member of a configuration.
const SYNC: &str = "SYNC";

pub(super) fn add<N: AsRef<str>, V: AsRef<str>>(
    mut layers: ConfigLayers,
    prefix: &str,
    vars: impl IntoIterator<Item = (N, V)>,
) -> Result<ConfigLayers, MessengerError> {
    let mut given = BTreeMap::new();
    for (name, value) in vars {
        let value = value.as_ref().trim();
        if let Some(name) = name.as_ref().strip_prefix(prefix).filter(|_| !value.is_empty()) {
            given.insert(name.to_owned(), value.to_owned());
        }
    }
    let mut problems = Vec::new();
    let mut refuse = |name: &str, what: &str| problems.push(format!("variable {prefix}{name}: {what}"));
    let sync = given.remove(SYNC);
    for Variable { name, path, form, wanted } in &VARIABLES {
        let Some(value) = given.remove(*name) else { continue };
        let value = match form {
            Form::Text => Value::String(value),
            Form::Json => match serde_json::from_str(&value) {
                Ok(value) => value,
                // What is wrong with the form of a text is told without the text.
                Err(error) => {
                    refuse(name, &format!("it cannot be read ({error}): use {wanted}"));
                    continue;
                }
            },
        };
        // What it says of a value that does not fit may hold the value.
        match layers.clone().value(at(path, value)) {
            Ok(with) => layers = with,
            Err(_) => refuse(name, &format!("it does not fit: use {wanted}")),
        }
    }
    // Behind the transports that other variables name.
    if let Some(value) = sync {
        match flag(&value) {
            Some(value) => layers = layers.sync(value),
            None => refuse(SYNC, "it is no flag: use 1, true, yes or on, or 0, false, no or off"),
        }
    }
    for name in given.keys() {
        let known = VARIABLES.iter().map(|variable| variable.name).chain([SYNC]);
        let known = known.collect::<Vec<_>>().join(", ");
        refuse(&shown(name), &format!("there is no such variable: use {prefix} with one of {known}"));
    }
    MessengerError::check(MessengerErrorCode::Configuration, problems)?;
    Ok(layers)
}

/// An object with a value at the end of a path.
fn at(path: &[&str], value: Value) -> Value {
    path.iter().rev().fold(value, |value, name| Map::from_iter([((*name).to_owned(), value)]).into())
}

/// What a flag says, however people write it.
fn flag(text: &str) -> Option<bool> {
    let is = |words: [&str; 4]| words.iter().any(|word| text.eq_ignore_ascii_case(word));
    match () {
        () if is(["1", "true", "yes", "on"]) => Some(true),
        () if is(["0", "false", "no", "off"]) => Some(false),
        () => None,
    }
}
