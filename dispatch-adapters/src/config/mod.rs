//! Targets as data: adapters and their policies from TOML or JSON.

mod error;
mod fields;
mod likeness;
mod policies;
mod shape;
mod syntax;
mod target;

pub use error::TargetError;
pub use fields::Fields;
pub use target::TargetConfig;
