/// What a queue promises beyond the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Features {
    /// Everything is there after it was closed and opened again.
    pub survives: bool,
    /// Messages that are done are kept, so that people can find them.
    pub keeps_done: bool,
    /// Whoever waits is woken at once by what this process does.
    pub wakes: bool,
}

impl Default for Features {
    fn default() -> Self {
        Self { survives: false, keeps_done: false, wakes: true }
    }
}

impl Features {
    /// Everything survives.
    #[must_use]
    pub const fn surviving(mut self) -> Self {
        self.survives = true;
        self
    }

    /// Messages that are done are kept.
    #[must_use]
    pub const fn keeping_done(mut self) -> Self {
        self.keeps_done = true;
        self
    }
}
