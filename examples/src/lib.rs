//! What the programs share: GitHub events and where they come from, and figures that people like to read.

pub mod github;
pub mod show;
