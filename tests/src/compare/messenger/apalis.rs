//! The peer, in a process of its own: it brings another SQLite, which cannot be linked with ours.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

const MANIFEST: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/peers/apalis/Cargo.toml");
const BUILT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");

/// The program.
pub(super) struct Apalis(PathBuf);

impl Apalis {
    /// Builds the program, which takes minutes the first time.
    pub(super) fn build() -> Result<Self, String> {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            .args(["build", "--release", "--quiet", "--locked", "--manifest-path", MANIFEST])
            .env("CARGO_TARGET_DIR", BUILT)
            .status()
            .map_err(|error| format!("cargo cannot be started: {error}"))?;
        if status.success() {
            Ok(Self(Path::new(BUILT).join("release/apalis-peer")))
        } else {
            Err(format!("apalis does not build: see `cargo build --manifest-path {MANIFEST}`"))
        }
    }

    /// Has it do something; the line that it prints.
    pub(super) fn run(&self, store: &str, place: &str, work: &str, numbers: &[u64]) -> Value {
        let output = Command::new(&self.0)
            .args([store, place, work])
            .args(numbers.iter().map(ToString::to_string))
            .output()
            .expect("the program that was built can be started");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "apalis, {store}, {work}: {said}");
        serde_json::from_slice(&output.stdout).expect("it prints one line of JSON")
    }
}
