//! What the options of the logs that write entries out have in common: what a name and the size of an entry may be, and
//! how options are refused.

use dispatch_core::RegistrationError;
use dispatch_core::error::Problem;
use dispatch_core::log::LogError;

/// What is wrong with the name of a log, and with the most bytes of an entry, which may be `most`.
pub(crate) fn problems(name: &str, max_entry_bytes: usize, most: usize) -> Vec<String> {
    let mut problems = Vec::new();
    if name.trim().is_empty() {
        problems.push("name is blank: give one, or leave it out".to_owned());
    }
    if !(1..=most).contains(&max_entry_bytes) {
        problems.push(format!("max_entry_bytes is {max_entry_bytes}: use 1 to {most}"));
    }
    problems
}

/// A log is not opened because of its options; every problem is in the text.
pub(crate) fn refused(error: RegistrationError) -> LogError {
    let texts: Vec<_> = error.problems().iter().map(Problem::message).collect();
    LogError::failed(format!("its options are not possible: {}", texts.join("; ")), error)
}
