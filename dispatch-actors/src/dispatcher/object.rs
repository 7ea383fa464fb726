//! Objects and adapters as dispatchers.

use std::sync::Arc;

use dispatch_core::{
    Adapter, DeliveryError, DeliveryErrorKind, Dispatcher, DispatcherError, Envelope, Outputs,
};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;

use super::handler::{Answer, Call, Fault, Handler};

pub(crate) struct ObjectHandler(pub(crate) Arc<dyn Dispatcher>);

impl Handler for ObjectHandler {
    type Future = LocalBoxFuture<'static, Answer>;
    const MAY_ANSWER_AT_ONCE: bool = true;

    fn call(&mut self, envelope: Envelope, call: &Call<'_>) -> Self::Future {
        let Some(context) = call.context(&envelope) else {
            return std::future::ready(Err(Fault::Stopped)).boxed_local();
        };
        let object = Arc::clone(&self.0);
        async move { object.handle(envelope, context).await.map_err(Fault::Error) }.boxed_local()
    }
}

pub(crate) struct AdapterHandler(pub(crate) Arc<dyn Adapter>);

impl Handler for AdapterHandler {
    type Future = LocalBoxFuture<'static, Answer>;
    const MAY_ANSWER_AT_ONCE: bool = true;

    fn call(&mut self, envelope: Envelope, _: &Call<'_>) -> Self::Future {
        let adapter = Arc::clone(&self.0);
        async move {
            match adapter.deliver(&envelope).await {
                Ok(receipt) if receipt.fallback => Ok(Outputs::none().from_fallback()),
                Ok(_) => Ok(Outputs::none()),
                Err(error) => Err(Fault::Error(delivery_failed(&error))),
            }
        }
        .boxed_local()
    }
}

/// The error of a dispatcher that delivers, with what the destination said about trying again.
fn delivery_failed(error: &DeliveryError) -> DispatcherError {
    let failed = DispatcherError::new("DeliveryError", error.to_string());
    match error.kind() {
        DeliveryErrorKind::Permanent | DeliveryErrorKind::Disabled => failed.unrecoverable(),
        DeliveryErrorKind::RetryAfter(delay) => failed.recoverable(Some(delay)),
        _ => failed,
    }
}
