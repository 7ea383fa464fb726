use serde::Deserialize;
use serde_json::Value;

/// One line of a file of cases.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    /// What the report calls it.
    pub id: String,
    /// Which part of the specification it is about.
    pub kind: String,
    /// What to do.
    pub input: Value,
    /// What must come of it.
    pub expected: Value,
    /// For people.
    #[serde(rename = "why")]
    _why: Option<String>,
}

impl Case {
    /// Reads a line.
    ///
    /// # Errors
    /// If the line is not a case.
    pub fn read(line: &str) -> serde_json::Result<Self> {
        serde_json::from_str(line)
    }
}

/// A text of an input.
pub(super) fn text<'a>(input: &'a Value, key: &str) -> Result<&'a str, String> {
    input.get(key).and_then(Value::as_str).ok_or_else(|| format!("no text '{key}'"))
}

/// A value of an input.
pub(super) fn read<T: serde::de::DeserializeOwned>(input: &Value) -> Result<T, String> {
    T::deserialize(input).map_err(|error| error.to_string())
}
