//! The proof of the state of subscriptions: what it does, one file per letter of the acceptance list, and a model.
//!
//! Everything is in virtual time, with a log that is a list; see `dispatch_tests::simulation`.

mod a;
mod b;
mod c;
mod d;
mod e;
mod f;
mod g;
mod h;
mod model;
mod regressions;
mod spec;
mod support;
