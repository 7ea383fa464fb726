use std::error::Error as _;

use dispatch_core::delivery::DeliveryError;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// There is no producer.
pub(super) fn not_made(failed: &KafkaError, brokers: &str) -> DeliveryError {
    // It is no source: its text may hold the value of a property.
    DeliveryError::retry(format!("librdkafka made no producer for {brokers}: {}", reason(failed)))
}

/// A message was not taken, or nobody knows whether it was.
pub(super) fn not_taken(failed: KafkaError, brokers: &str) -> DeliveryError {
    let made = match failed.rdkafka_error_code() {
        Some(
            Code::MessageSizeTooLarge
            | Code::MessageBatchTooLarge
            | Code::InvalidTopic
            | Code::InvalidRecord
            | Code::PolicyViolation
            | Code::InvalidArgument
            | Code::BadMessage,
        ) => DeliveryError::permanent(format!("{brokers} refused the message: {}", reason(&failed))),
        Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
            DeliveryError::permanent(format!("{brokers} has no such topic: create it"))
        }
        Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed) => {
            DeliveryError::permanent(format!("{brokers} does not let this user write to the topic"))
        }
        Some(Code::Authentication | Code::SaslAuthenticationFailed) => {
            DeliveryError::permanent(format!("{brokers} refused the login: check the sasl properties"))
        }
        _ => DeliveryError::retry(format!("{brokers} has not confirmed the message: {}", reason(&failed))),
    };
    made.with_source(failed)
}

/// Whether the producer is of no use any more.
pub(super) fn is_fatal(error: &DeliveryError) -> bool {
    let source = error.source().and_then(|source| source.downcast_ref::<KafkaError>());
    source.and_then(KafkaError::rdkafka_error_code) == Some(Code::Fatal)
}

fn reason(failed: &KafkaError) -> String {
    failed.rdkafka_error_code().map_or_else(|| "no reason given".to_owned(), |code| format!("{code:?}"))
}
