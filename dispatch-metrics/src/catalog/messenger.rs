use super::series::Samples;
use super::{Kind, Series, Snapshot, Value};
use crate::{MessengerMetrics, TransportMetrics, TypeMetrics, WorkerMetrics};

/// Every series of background messages, once: the exporters write these and nothing else.
pub static MESSENGER_CATALOG: &[Series<MessengerMetrics>] = &[
    Series {
        name: "dispatch_message_transport_up",
        kind: Kind::Gauge,
        labels: &["messenger", "transport"],
        meaning: "1 if the transport has answered, else 0: its queues are not known then",
        read: |metrics, samples| {
            for (name, own) in &metrics.transports {
                samples.push(&[name], Value::Count(u64::from(own.reachable)));
            }
        },
    },
    Series {
        name: "dispatch_message_depth",
        kind: Kind::Gauge,
        labels: &["messenger", "transport", "queue", "state"],
        meaning: "Messages in a queue, by state",
        read: |metrics, samples| {
            for (name, own) in &metrics.transports {
                for (queue, depth) in &own.queues {
                    for (state, count) in depth.by_state() {
                        samples.push(&[name, queue, state], Value::Count(count));
                    }
                }
            }
        },
    },
    Series {
        name: "dispatch_message_oldest_ready_seconds",
        kind: Kind::Gauge,
        labels: &["messenger", "transport", "queue"],
        meaning: "How long the oldest message that is ready has been due; 0 if there is none",
        read: |metrics, samples| {
            for (name, own) in &metrics.transports {
                for (queue, depth) in &own.queues {
                    let age = depth.oldest_ready.unwrap_or_default().as_secs_f64();
                    samples.push(&[name, queue], Value::Seconds(age));
                }
            }
        },
    },
    Series {
        name: "dispatch_message_queue_paused",
        kind: Kind::Gauge,
        labels: &["messenger", "transport", "queue"],
        meaning: "1 if the queue is paused for all workers, else 0",
        read: |metrics, samples| {
            for (name, own) in &metrics.transports {
                for (queue, depth) in &own.queues {
                    samples.push(&[name, queue], Value::Count(u64::from(depth.paused)));
                }
            }
        },
    },
    Series {
        name: "dispatch_message_sends_total",
        kind: Kind::Counter,
        labels: &["messenger", "transport", "result"],
        meaning: "Messages sent to a transport, by result",
        read: |metrics, samples| {
            for (name, own) in &metrics.transports {
                for (result, count) in own.sends.by_result() {
                    samples.push(&[name, result], Value::Count(count));
                }
            }
        },
    },
    Series {
        name: "dispatch_message_attempts_total",
        kind: Kind::Counter,
        labels: &["messenger", "transport", "type"],
        meaning: "Attempts to handle messages that workers have begun",
        read: |metrics, samples| types(metrics, samples, |own| Value::Count(own.attempts)),
    },
    Series {
        name: "dispatch_message_outcomes_total",
        kind: Kind::Counter,
        labels: &["messenger", "transport", "type", "outcome"],
        meaning: "What became of messages after an attempt: done, retried or failed",
        read: |metrics, samples| {
            for (name, own) in &metrics.transports {
                for (message_type, own) in &own.work.types {
                    for (outcome, count) in
                        [("done", own.done), ("retried", own.retried), ("failed", own.failed)]
                    {
                        samples.push(&[name, message_type, outcome], Value::Count(count));
                    }
                }
            }
        },
    },
    Series {
        name: "dispatch_message_wait_seconds",
        kind: Kind::Histogram,
        labels: &["messenger", "transport", "type"],
        meaning: "From when a message was due until it was claimed, for each attempt that was begun",
        read: |metrics, samples| types(metrics, samples, |own| Value::Latency(&own.wait)),
    },
    Series {
        name: "dispatch_message_run_seconds",
        kind: Kind::Histogram,
        labels: &["messenger", "transport", "type"],
        meaning: "From handing a message to the engine to its answer",
        read: |metrics, samples| types(metrics, samples, |own| Value::Latency(&own.run)),
    },
    Series {
        name: "dispatch_message_incidents_total",
        kind: Kind::Counter,
        labels: &["messenger", "transport", "incident"],
        meaning: "What else has happened to messages of workers, by what it was",
        read: |metrics, samples| {
            for (name, own) in &metrics.transports {
                for (incident, count) in own.work.by_incident() {
                    samples.push(&[name, incident], Value::Count(count));
                }
            }
        },
    },
    Series {
        name: "dispatch_message_worker_concurrency",
        kind: Kind::Gauge,
        labels: &["messenger", "worker"],
        meaning: "How many messages a worker handles at a time",
        read: |metrics, samples| workers(metrics, samples, |own| own.concurrency),
    },
    Series {
        name: "dispatch_message_worker_running",
        kind: Kind::Gauge,
        labels: &["messenger", "worker"],
        meaning: "Messages that a worker is handling",
        read: |metrics, samples| workers(metrics, samples, |own| own.running),
    },
    Series {
        name: "dispatch_message_worker_waiting",
        kind: Kind::Gauge,
        labels: &["messenger", "worker"],
        meaning: "Messages that a worker has claimed, and has not begun with",
        read: |metrics, samples| workers(metrics, samples, |own| own.waiting),
    },
    Series {
        name: "dispatch_message_worker_paused",
        kind: Kind::Gauge,
        labels: &["messenger", "worker"],
        meaning: "1 if a worker claims nothing until it is told to go on, else 0",
        read: |metrics, samples| workers(metrics, samples, |own| u64::from(own.paused)),
    },
    Series {
        name: "dispatch_message_worker_untold",
        kind: Kind::Gauge,
        labels: &["messenger", "worker"],
        meaning: "Failed messages that the dead-letter target has not been told of yet",
        read: |metrics, samples| workers(metrics, samples, |own| own.untold),
    },
    Series {
        name: "dispatch_message_worker_attempts_total",
        kind: Kind::Counter,
        labels: &["messenger", "worker"],
        meaning: "Attempts that a worker has begun; a number is used again by another worker, from zero",
        read: |metrics, samples| workers(metrics, samples, |own| own.sum(crate::WorkMetrics::attempts)),
    },
];

impl Snapshot for MessengerMetrics {
    fn catalog() -> &'static [Series<Self>] {
        MESSENGER_CATALOG
    }

    fn scope(&self) -> Option<&str> {
        Some(&self.messenger)
    }
}

/// One sample for each message type of a transport.
fn types<'a>(
    metrics: &'a MessengerMetrics,
    samples: &mut Samples<'a>,
    value: impl Fn(&'a TypeMetrics) -> Value<'a>,
) {
    for (name, TransportMetrics { work, .. }) in &metrics.transports {
        for (message_type, own) in &work.types {
            samples.push(&[name, message_type], value(own));
        }
    }
}

/// One sample for each worker.
fn workers<'a>(
    metrics: &'a MessengerMetrics,
    samples: &mut Samples<'a>,
    value: impl Fn(&'a WorkerMetrics) -> u64,
) {
    for (number, own) in &metrics.workers {
        samples.push(&[number], Value::Count(value(own)));
    }
}
