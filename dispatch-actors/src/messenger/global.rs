//! One messenger for the whole process, for those who do not want to hand it around.
//!
//! This is the one static of the crate, and it is set on purpose: nothing else reads it. Whoever has more than one messenger,
//! runs tests side by side, or writes a library, does better to pass a [`Messenger`] to whoever dispatches: it is cheap to
//! clone, and the signature says who dispatches. Code that calls these functions sends to whatever was set last, by
//! whomever.
//!
//! ```
//! use dispatch_actors::messenger::{Messenger, global};
//! use dispatch_core::messenger::Message;
//! use dispatch_core::queue::MemoryQueue;
//! use serde_json::json;
//!
//! # #[actix::main]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let message = || Message::new("SendMail", &json!({ "to": "ann@example.com" }));
//! assert!(global::dispatch(message()?).await.is_err(), "nobody has set one");
//!
//! global::set(Messenger::builder().transport("default", MemoryQueue::new("default")).build()?);
//! assert_eq!(global::dispatch(message()?).await?.len(), 1);
//! global::reset();
//! # Ok(())
//! # }
//! ```

use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use dispatch_core::messenger::{DispatchOptions, Message, MessengerError, MessengerErrorCode};

use super::{BatchResult, Dispatched, Messenger, Sent};

/// What sends messages: a [`Messenger`], or what takes its place in a test.
///
/// ```
/// use async_trait::async_trait;
/// use dispatch_actors::messenger::{Dispatched, MessageDispatcher, Sent};
/// use dispatch_core::messenger::{DispatchOptions, Message, MessengerError};
/// use std::sync::Mutex;
/// use uuid::Uuid;
///
/// /// Keeps what it is sent.
/// #[derive(Default)]
/// struct Outbox(Mutex<Vec<Message>>);
///
/// #[async_trait]
/// impl MessageDispatcher for Outbox {
///     async fn send(&self, message: Message, _: &DispatchOptions) -> Result<Dispatched, MessengerError> {
///         self.0.lock().unwrap().push(message);
///         let transport = "default".parse()?;
///         let sent = Sent::new(Uuid::now_v7(), "default".parse()?, "default".parse()?);
///         Ok(Dispatched::new(Uuid::now_v7(), [(transport, Ok(sent))]))
///     }
/// }
/// ```
#[async_trait]
pub trait MessageDispatcher: Send + Sync + 'static {
    /// Sends a message to all of its transports; one result per transport.
    ///
    /// # Errors
    /// Everything that is wrong with it, before anything is sent.
    async fn send(&self, message: Message, options: &DispatchOptions) -> Result<Dispatched, MessengerError>;

    /// Sends messages; one result per message, in their order. Whatever is wrong with one of them, the others are sent.
    async fn send_batch(&self, items: Vec<(Message, DispatchOptions)>) -> BatchResult {
        let mut results = Vec::with_capacity(items.len());
        for (message, options) in items {
            results.push(self.send(message, &options).await.and_then(Dispatched::all));
        }
        BatchResult::new(results)
    }
}

#[async_trait]
impl MessageDispatcher for Messenger {
    async fn send(&self, message: Message, options: &DispatchOptions) -> Result<Dispatched, MessengerError> {
        self.send_one(&message, options).await
    }

    async fn send_batch(&self, items: Vec<(Message, DispatchOptions)>) -> BatchResult {
        self.dispatch_batch(items).await
    }
}

/// Held for as long as it takes to copy a pointer.
static DISPATCHER: RwLock<Option<Arc<dyn MessageDispatcher>>> = RwLock::new(None);

/// Sets what the functions of this module send with; what it was before.
pub fn set(dispatcher: impl MessageDispatcher) -> Option<Arc<dyn MessageDispatcher>> {
    set_shared(Arc::new(dispatcher))
}

/// Sets what the functions of this module send with, and what others have as well; what it was before.
pub fn set_shared(dispatcher: Arc<dyn MessageDispatcher>) -> Option<Arc<dyn MessageDispatcher>> {
    put(Some(dispatcher))
}

/// What the functions of this module send with.
///
/// # Errors
/// `CONFIGURATION_ERROR` if nobody has set anything.
pub fn get() -> Result<Arc<dyn MessageDispatcher>, MessengerError> {
    let dispatcher = DISPATCHER.read().unwrap_or_else(PoisonError::into_inner).clone();
    dispatcher.ok_or_else(|| {
        let problem = "no messenger is set for this process: call messenger::global::set when it starts, or pass a \
                       Messenger to whoever dispatches";
        MessengerError::new(MessengerErrorCode::Configuration, problem)
    })
}

/// Takes away what was set, and gives it back. Nothing is closed.
pub fn reset() -> Option<Arc<dyn MessageDispatcher>> {
    put(None)
}

fn put(dispatcher: Option<Arc<dyn MessageDispatcher>>) -> Option<Arc<dyn MessageDispatcher>> {
    std::mem::replace(&mut *DISPATCHER.write().unwrap_or_else(PoisonError::into_inner), dispatcher)
}

/// Sends a message where its type goes.
///
/// # Errors
/// As for [`get`] and [`Messenger::dispatch`].
pub async fn dispatch(message: Message) -> Result<Vec<Sent>, MessengerError> {
    dispatch_with(message, &DispatchOptions::default()).await
}

/// Sends a message with options of its own.
///
/// # Errors
/// As for [`get`] and [`Messenger::dispatch`].
pub async fn dispatch_with(message: Message, options: &DispatchOptions) -> Result<Vec<Sent>, MessengerError> {
    get()?.send(message, options).await?.all()
}

/// Sends a message to these transports, whatever its route; one result per transport.
///
/// # Errors
/// As for [`get`] and [`Messenger::dispatch_to`].
pub async fn dispatch_to<T: Into<String>>(
    message: Message,
    transports: impl IntoIterator<Item = T>,
) -> Result<Dispatched, MessengerError> {
    let options = DispatchOptions::default().with_transports(transports);
    get()?.send(message, &options).await
}

/// Sends messages; one result per message, in their order.
///
/// # Errors
/// As for [`get`]; what is wrong with a message is in its result.
pub async fn dispatch_batch(
    items: impl IntoIterator<Item = (Message, DispatchOptions)>,
) -> Result<BatchResult, MessengerError> {
    let dispatcher = get()?;
    Ok(dispatcher.send_batch(items.into_iter().collect()).await)
}
