//! The same through a stream of a NATS server, in files, as often flushed as the server does by itself: what it has
//! acknowledged may be lost with the power, unless it is told to flush always.
//!
//! Its CPU time is only that of this process, not of the server.

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::stream;
use futures_util::StreamExt;

use super::durable::WINDOW;
use super::meter;
use crate::compare::engine::load;
use crate::compare::measure::{Sample, timed};

pub(super) fn sample(url: &str, messages: u64) -> Sample {
    load::runtime().block_on(async {
        let client = async_nats::connect(url).await.expect("the server of DISPATCH_NATS_URL answers");
        let context = async_nats::jetstream::new(client);
        let name = format!("compare-{}", uuid::Uuid::new_v4().simple());
        let subject = format!("{name}.placed");
        let config = stream::Config {
            name: name.clone(),
            subjects: vec![subject.clone()],
            storage: stream::StorageType::File,
            ..stream::Config::default()
        };
        let stream = context.create_stream(config).await.expect("the server has JetStream");
        let config = pull::Config {
            durable_name: Some("billing".to_owned()),
            ack_policy: AckPolicy::Explicit,
            max_ack_pending: i64::from(WINDOW),
            ..pull::Config::default()
        };
        let consumer = stream.create_consumer(config).await.expect("a consumer can be made");
        let mut incoming = consumer
            .stream()
            .max_messages_per_batch(WINDOW as usize)
            .messages()
            .await
            .expect("messages can be pulled");
        let payload = bytes_of_message();
        let publish = {
            let (context, subject) = (context.clone(), subject.clone());
            move || {
                let (context, subject, payload) = (context.clone(), subject.clone(), payload.clone());
                async move {
                    let sent = context.publish(subject, payload.into()).await.expect("it is sent");
                    sent.await.expect("the stream has it");
                }
            }
        };
        let consume = async {
            for _ in 0..messages {
                let message = incoming.next().await.expect("another one comes").expect("it comes whole");
                message.ack().await.expect("the acknowledgement is sent");
            }
        };
        let work = async {
            tokio::join!(load::shared(u64::from(WINDOW), messages, publish), consume);
        };
        let sample = timed(messages, work).await;
        context.delete_stream(&name).await.expect("the stream can be removed");
        sample
    })
}

fn bytes_of_message() -> Vec<u8> {
    vec![7_u8; meter::BYTES]
}
