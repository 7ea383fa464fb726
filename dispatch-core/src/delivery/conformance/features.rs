/// What an adapter promises beyond the contract of the trait.
///
/// The default promises nothing. Give what is promised and leave the rest: fields may be added.
///
/// ```
/// use dispatch_core::delivery::conformance::Features;
///
/// let features = Features { ordering: true, max_size: Some(8_000), ..Features::default() };
/// assert!(!features.idempotent);
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Features {
    /// What is delivered one after the other arrives in that order, batches included.
    pub ordering: bool,
    /// What was answered with `Ok` has arrived by then. Otherwise it arrives some time later.
    pub acknowledges: bool,
    /// What is refused in a batch is refused alone: the rest of the batch is delivered.
    pub per_item_results: bool,
    /// An envelope that is delivered twice arrives once.
    pub idempotent: bool,
    /// The ids of envelopes arrive.
    pub ids: bool,
    /// The headers of envelopes arrive.
    pub headers: bool,
    /// The bytes of payloads arrive as [`Payload::to_bytes`](crate::Payload::to_bytes) makes them.
    pub bodies: bool,
    /// Every receipt has an id, and no two are the same.
    pub receipt_ids: bool,
    /// Most bytes of a payload; more is refused for good. `None` sets no limit, and 1 MiB has to pass.
    pub max_size: Option<usize>,
    /// How many bytes more may pass, where headers or an encoding count as well and nobody can say exactly.
    pub max_size_margin: usize,
    /// What the destination that stands in for the real one cannot show; the report says so.
    pub not_proven: &'static [&'static str],
}

impl Features {
    /// Everything an adapter can promise, without a limit on size.
    #[must_use]
    pub const fn all() -> Self {
        Self {
            ordering: true,
            acknowledges: true,
            per_item_results: true,
            idempotent: true,
            ids: true,
            headers: true,
            bodies: true,
            receipt_ids: true,
            max_size: None,
            max_size_margin: 0,
            not_proven: &[],
        }
    }
}
