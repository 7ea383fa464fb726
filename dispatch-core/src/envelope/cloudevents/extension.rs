use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::CloudEventError;
use super::error::shorten;
use super::event::CloudEvent;

/// The value of an extension attribute.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum ExtensionValue {
    /// A text; binary values, URIs and times travel as text too.
    Text(String),
    /// A whole number of 32 bits.
    Integer(i32),
    /// True or false.
    Boolean(bool),
}

impl ExtensionValue {
    /// The text, if it is one.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn from_json(name: &str, value: Value) -> Result<Self, CloudEventError> {
        let wrong = || CloudEventError::WrongType {
            attribute: shorten(name),
            expected: "a text, a whole number of 32 bits, or true or false",
        };
        match value {
            Value::String(text) => Ok(Self::Text(text)),
            Value::Bool(value) => Ok(Self::Boolean(value)),
            Value::Number(number) => {
                let number = number.as_i64().and_then(|number| i32::try_from(number).ok());
                number.map(Self::Integer).ok_or_else(wrong)
            }
            _ => Err(wrong()),
        }
    }

    pub(super) fn check(&self, name: &str) -> Result<(), CloudEventError> {
        match self.as_str() {
            Some(text) => check_length(name, text),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for ExtensionValue {
    /// Shows the kind and the size of a text, not its content: headers travel in one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "Text({} bytes)", text.len()),
            Self::Integer(number) => write!(f, "Integer({number})"),
            Self::Boolean(value) => write!(f, "Boolean({value})"),
        }
    }
}

impl From<&str> for ExtensionValue {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<String> for ExtensionValue {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<i32> for ExtensionValue {
    fn from(number: i32) -> Self {
        Self::Integer(number)
    }
}

impl From<bool> for ExtensionValue {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<ExtensionValue> for Value {
    fn from(value: ExtensionValue) -> Self {
        match value {
            ExtensionValue::Text(text) => Self::String(text),
            ExtensionValue::Integer(number) => Self::from(number),
            ExtensionValue::Boolean(value) => Self::Bool(value),
        }
    }
}

/// The members of an event that are no extension.
const ATTRIBUTES: [&str; 9] =
    ["specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema", "data"];

pub(super) fn is_extension_name(name: &str) -> bool {
    (1..=20).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        && !ATTRIBUTES.contains(&name)
}

pub(super) fn check_name(name: &str) -> Result<(), CloudEventError> {
    if is_extension_name(name) { Ok(()) } else { Err(CloudEventError::ExtensionName { name: shorten(name) }) }
}

pub(super) fn check_length(attribute: &str, text: &str) -> Result<(), CloudEventError> {
    if text.len() > CloudEvent::MAX_ATTRIBUTE_BYTES {
        return Err(CloudEventError::TooLong { attribute: shorten(attribute), bytes: text.len() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn names_are_short_lower_case_and_not_those_of_cloudevents() {
        for name in ["a", "0", "comexample0", &"a".repeat(20)] {
            assert!(is_extension_name(name), "{name}");
        }
        for name in ["", "A", "a_b", "a.b", "ä", "id", "data", "data_base64", &"a".repeat(21)] {
            assert!(!is_extension_name(name), "{name}");
        }
    }

    #[test]
    fn values_are_texts_numbers_of_32_bits_and_booleans() {
        for value in [json!("x"), json!(i32::MIN), json!(i32::MAX), json!(true)] {
            let read = ExtensionValue::from_json("a", value.clone()).unwrap();
            assert_eq!(Value::from(read), value);
        }
        for value in [json!(1.5), json!(2_147_483_648_u32), json!([]), json!({})] {
            assert!(ExtensionValue::from_json("a", value.clone()).is_err(), "{value}");
        }
    }
}
