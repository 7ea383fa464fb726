//! A messenger as a target of a configuration.

use dispatch_actors::messenger::{Messenger, MessengerAdapter};
use dispatch_core::messenger::DispatchOptions;

use crate::config::Fields;

/// The options of `type = "messenger"`.
///
/// ```
/// use dispatch_adapters::config::AdapterRegistry;
/// use dispatch_adapters::messenger::{MemoryQueue, Messenger};
///
/// let messenger = Messenger::builder().transport("mails", MemoryQueue::new("mails")).build()?;
/// let registry = AdapterRegistry::with_built_in().with_messenger(&messenger);
/// let targets = registry.read_toml("[[targets]]\ntype = 'messenger'\ntransports = ['mails']\npriority = 8")?;
/// assert_eq!(targets[0].adapter.name(), "messenger:messenger:mails");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct MessengerTargetOptions {
    /// The messenger, by its name, if there are several; `messenger`.
    pub messenger: String,
    /// `transports`, `message_queue`, `priority`, `delay_ms` and `ttl_ms`; what is left out follows from the type of the
    /// envelope, as for every message. (`queue` is that of the delivery, as for every target.)
    pub dispatch: DispatchOptions,
    /// Whether an envelope that is delivered again is the same message; yes.
    pub keys: bool,
}

impl MessengerTargetOptions {
    /// Reads them from a configuration.
    pub fn read(fields: &mut Fields<'_>) -> Self {
        let time = |millis: Option<u64>| millis.map(std::time::Duration::from_millis);
        let dispatch = DispatchOptions {
            transports: fields.optional("transports"),
            queue: fields.optional("message_queue"),
            priority: fields.optional("priority"),
            delay: time(fields.optional("delay_ms")),
            ttl: time(fields.optional("ttl_ms")),
            ..DispatchOptions::default()
        };
        let messenger = fields.or("messenger", Messenger::NAME.to_owned());
        Self { messenger, dispatch, keys: fields.or("keys", true) }
    }

    /// The adapter of a messenger with these options.
    pub fn adapter(self, messenger: &Messenger) -> MessengerAdapter {
        let adapter = messenger.adapter().with_options(self.dispatch);
        if self.keys { adapter } else { adapter.without_keys() }
    }
}
