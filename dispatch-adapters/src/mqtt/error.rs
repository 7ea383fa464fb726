use dispatch_core::delivery::{DeliveryError, Receipt};
use rumqttc::{
    ConnectReturnCode, ConnectionError, PubAckReason, PubCompReason, PubRecReason, PublishNoticeError,
    PublishResult,
};

use crate::tls::refusal;

/// No connection was made.
pub(super) fn not_connected(failed: ConnectionError, server: &str) -> DeliveryError {
    use ConnectReturnCode as Code;
    if let Some(why) = refusal(&failed) {
        return DeliveryError::retry(format!("cannot connect to {server}: {why}")).with_source(failed);
    }
    let made = match &failed {
        ConnectionError::ConnectionRefused(code) => match code {
            Code::BadUserNamePassword
            | Code::NotAuthorized
            | Code::Banned
            | Code::BadAuthenticationMethod => {
                DeliveryError::permanent(format!("{server} refused the login: check the user in the url"))
            }
            Code::RefusedProtocolVersion | Code::UnsupportedProtocolVersion => {
                DeliveryError::permanent(format!("{server} does not speak MQTT 5"))
            }
            Code::BadClientId | Code::ClientIdentifierNotValid => {
                DeliveryError::permanent(format!("{server} refused the client_id: choose another"))
            }
            code => DeliveryError::retry(format!("{server} refused the connection: {code:?}")),
        },
        ConnectionError::Io(cause) => {
            DeliveryError::retry(format!("cannot connect to {server}: {}", cause.kind()))
        }
        other => DeliveryError::retry(format!("cannot connect to {server}: {other}")),
    };
    made.with_source(failed)
}

/// What the broker says about a message.
pub(super) fn receipt(
    answer: Result<PublishResult, PublishNoticeError>,
    server: &str,
) -> Result<Receipt, DeliveryError> {
    let refused = |reason: Refused, code: String| match reason {
        Refused::Forbidden => {
            DeliveryError::permanent(format!("{server} does not let this user publish to the topic"))
        }
        Refused::Message => DeliveryError::permanent(format!("{server} refused the message: {code}")),
        Refused::Now => DeliveryError::retry(format!("{server} cannot take the message: {code}")),
    };
    match answer {
        Ok(PublishResult::Qos0Flushed) => Ok(Receipt::taken()),
        Ok(PublishResult::Qos1(ack)) => match ack.reason {
            PubAckReason::Success | PubAckReason::NoMatchingSubscribers => Ok(Receipt::taken()),
            PubAckReason::NotAuthorized => Err(refused(Refused::Forbidden, String::new())),
            reason @ (PubAckReason::TopicNameInvalid | PubAckReason::PayloadFormatInvalid) => {
                Err(refused(Refused::Message, format!("{reason:?}")))
            }
            reason => Err(refused(Refused::Now, format!("{reason:?}"))),
        },
        Ok(PublishResult::Qos2PubRecRejected(ack)) => match ack.reason {
            PubRecReason::NotAuthorized => Err(refused(Refused::Forbidden, String::new())),
            reason @ (PubRecReason::TopicNameInvalid | PubRecReason::PayloadFormatInvalid) => {
                Err(refused(Refused::Message, format!("{reason:?}")))
            }
            reason => Err(refused(Refused::Now, format!("{reason:?}"))),
        },
        Ok(PublishResult::Qos2Completed(ack)) => match ack.reason {
            PubCompReason::Success => Ok(Receipt::taken()),
            reason => Err(refused(Refused::Now, format!("{reason:?}"))),
        },
        Err(failed) => Err(lost(failed, server)),
    }
}

/// Why a broker refuses a message.
enum Refused {
    Forbidden,
    Message,
    Now,
}

fn lost(failed: PublishNoticeError, server: &str) -> DeliveryError {
    let made = match &failed {
        PublishNoticeError::RetainNotSupported => {
            DeliveryError::permanent(format!("{server} keeps no messages: turn off retain"))
        }
        _ => {
            DeliveryError::retry(format!("the connection to {server} broke before it confirmed the message"))
        }
    };
    made.with_source(failed)
}
