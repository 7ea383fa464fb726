//! Options read as a whole, by what serde knows of their type.

use dispatch_core::{ErrorCode, RegistrationError};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{Fields, shape};

impl Fields<'_> {
    /// All options at once, for a type whose fields all have defaults and that refuses unknown ones.
    ///
    /// Each option is tried alone, so that everything that is wrong is said; what is wrong has its default.
    pub fn all<T: DeserializeOwned + Default>(&mut self) -> T {
        let mut good = Map::new();
        for (name, value) in self.entries() {
            let alone = Value::Object(Map::from_iter([(name.to_owned(), value.clone())]));
            match T::deserialize(&alone) {
                Ok(_) => {
                    self.known(name);
                    good.insert(name.to_owned(), value.clone());
                }
                Err(error) => match known_instead(&error, name) {
                    // It stays unread, and is named at the end.
                    Some(others) => others.iter().for_each(|other| self.known(other)),
                    None => {
                        self.known(name);
                        self.wrong(
                            ErrorCode::InvalidParameter,
                            name,
                            &format!(": {}", shape::of(&error, value)),
                        );
                    }
                },
            }
        }
        T::deserialize(&Value::Object(good)).unwrap_or_default()
    }

    /// An adapter whose constructor checks its options; `None` goes with its problems.
    pub fn made<A>(&mut self, made: Result<A, RegistrationError>) -> Option<A> {
        match made {
            Ok(adapter) => Some(adapter),
            Err(error) => {
                self.refuse_all(error.problems().iter().cloned());
                None
            }
        }
    }
}

/// The names that serde knows, if the error is that this name is unknown, rather than one in its table.
fn known_instead(error: &serde_json::Error, name: &str) -> Option<Vec<String>> {
    let text = error.to_string();
    let (unknown, expected) = text.strip_prefix("unknown field ")?.split_once(", expected ")?;
    if unknown != format!("`{name}`") {
        return None;
    }
    // The names stand between backticks: every second piece.
    Some(expected.split('`').skip(1).step_by(2).map(str::to_owned).collect())
}
