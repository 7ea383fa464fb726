//! Signed webhooks: [`signature`] for both ends.

pub mod signature;

pub use signature::{
    Scheme, SignError, SignedHeaders, Signer, TOLERANCE, Verifier, VerifyError, sign, verify,
};
