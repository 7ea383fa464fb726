//! Figures for people.

mod paint;
mod words;

pub use paint::{Paint, Painted};
pub use words::{number, size, time};
