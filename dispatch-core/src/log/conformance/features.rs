/// What a log promises beyond the contract of the trait.
///
/// The default promises nothing. Give what is promised and leave the rest: fields may be added.
///
/// ```
/// use dispatch_core::log::conformance::Features;
///
/// let features = Features { parks: true, max_size: Some(1_000_000), ..Features::default() };
/// assert!(!features.atomic_batches);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// The entries of one append are all stored or none is.
    pub atomic_batches: bool,
    /// What was acknowledged is there when the log is opened again.
    pub survives: bool,
    /// Envelopes are written out, so one whose payload cannot be written is refused.
    pub serialises: bool,
    /// What is settled above a cursor is kept.
    pub settled_ranges: bool,
    /// A waiting reader is woken by every append; otherwise it may have to look for itself.
    pub exact_tail: bool,
    /// Records can be found by time.
    pub timestamps: bool,
    /// A trim removes exactly what it is asked to; otherwise it may leave some of it.
    pub exact_trim: bool,
    /// Usage is counted record by record, so that one can say which of them fit into so many bytes.
    pub exact_bytes: bool,
    /// Messages can be parked.
    pub parks: bool,
    /// Most bytes of an entry; one whose payload alone has more is refused. `None` sets no limit, and 1 MiB has to
    /// pass.
    pub max_size: Option<usize>,
}

impl Features {
    /// Everything a log can promise, without a limit on size.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            atomic_batches: true,
            survives: true,
            serialises: true,
            settled_ranges: true,
            exact_tail: true,
            timestamps: true,
            exact_trim: true,
            exact_bytes: true,
            parks: true,
            max_size: None,
        }
    }
}
