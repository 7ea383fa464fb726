//! Routes and the frozen table that chooses dispatchers.

mod explain;
mod model;
mod spec;
mod table;

pub use explain::{ExplainedRoute, Explanation, RouteVerdict};
pub use model::Route;
pub use spec::DispatcherSpec;
pub use table::{Plan, RouteTable, Scratch};
