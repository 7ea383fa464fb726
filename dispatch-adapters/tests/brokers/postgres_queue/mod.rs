//! The queue of background messages in PostgreSQL: the public suite, random lives beside the model, several queues side
//! by side, connections that break and a server that ends under load, transactions of others, tables that are not what they should be.
//!
//! Needs `DISPATCH_POSTGRES_URL`; each test has a schema of its own. The server that is ended is one of its own, whose
//! programs are in the folder `DISPATCH_POSTGRES_BIN`. `DISPATCH_PROOF` multiplies the rounds.

mod cluster;
mod conformance;
mod keys;
mod messenger;
mod outages;
mod outbox;
#[path = "../../shared/rates.rs"]
mod rates;
mod shared;
mod support;
mod trouble;
