//! How much memory the process has.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// What says how much memory the process has, in bytes.
#[derive(Clone)]
pub(super) struct Probe(Arc<dyn Fn() -> io::Result<u64> + Send + Sync>);

impl Probe {
    pub(super) fn new(probe: impl Fn() -> io::Result<u64> + Send + Sync + 'static) -> Self {
        Self(Arc::new(probe))
    }

    pub(super) fn measure(&self) -> io::Result<u64> {
        (self.0)()
    }
}

impl Default for Probe {
    /// The resident memory, where Linux says it.
    fn default() -> Self {
        Self::new(|| resident(Path::new("/proc/self/status")))
    }
}

impl fmt::Debug for Probe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Probe")
    }
}

/// The resident memory in a file as Linux has it; not `statm`, which counts in pages of a size that it does not say.
fn resident(status: &Path) -> io::Result<u64> {
    let text = std::fs::read_to_string(status)?;
    let kib = text
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, format!("{} has no VmRSS", status.display()));
    kib.map(|kib| kib.saturating_mul(1_024)).ok_or_else(unknown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn what_is_allocated_is_measured() {
        const MORE: usize = 64 << 20;
        let before = Probe::default().measure().unwrap();
        let more = vec![1u8; MORE];
        let after = Probe::default().measure().unwrap();
        assert!(more.iter().map(|byte| u64::from(*byte)).sum::<u64>() == MORE as u64);
        assert!(after > before + MORE as u64 / 2 && after < before + MORE as u64 * 4, "{before}, {after}");
    }

    #[test]
    fn a_system_that_does_not_say_it_is_an_error() {
        assert!(resident(Path::new("/nowhere/status")).is_err());
        let other = resident(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).unwrap_err();
        assert!(other.to_string().ends_with("Cargo.toml has no VmRSS"), "{other}");
    }
}
