//! What the proof of the dispatch engine is made of: the runner of the conformance cases, and support for the
//! tests in `tests/`.

pub mod conformance;
pub mod simulation;
pub mod support;
