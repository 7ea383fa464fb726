//! Whether the workers of a configuration fit its transports.

use super::name::shown;
use super::{MessengerConfig, Name, TransportConfig, WorkerConfig};

/// The type of transports that need no worker.
const INLINE: &str = "sync";

/// Everything that is wrong with the workers of a configuration.
pub(super) fn problems(config: &MessengerConfig) -> Vec<String> {
    let mut problems = Vec::new();
    let known = || config.transports.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
    for (name, worker) in &config.workers {
        let whose = |text| format!("worker '{}': {text}", shown(name));
        problems.extend(Name::problem(name).map(whose));
        problems.extend(all_transports(worker, config).problems().into_iter().map(whose));
        for transport in worker.transports.iter().filter(|name| !config.transports.contains_key(*name)) {
            problems.push(whose(format!("'{}' is no transport: use one of {}", shown(transport), known())));
        }
    }
    if config.workers.is_empty() {
        return problems;
    }
    for (name, transport) in config.transports.iter().filter(|(_, it)| it.kind != INLINE) {
        problems.extend(unattended(name, transport, config));
    }
    problems
}

/// A worker that names no transport takes from all of them.
pub(super) fn all_transports(worker: &WorkerConfig, config: &MessengerConfig) -> WorkerConfig {
    let mut worker = worker.clone();
    if worker.transports.is_empty() {
        let default = &config.default_transport;
        let others = config.transports.keys().filter(|name| *name != default);
        worker.transports = std::iter::once(default).chain(others).cloned().collect();
    }
    worker
}

/// A transport that no worker takes from, or not from the queue that its messages are in.
fn unattended(name: &str, transport: &TransportConfig, config: &MessengerConfig) -> Option<String> {
    let queue = transport.queue.as_ref().unwrap_or(&config.default_queue);
    let mut takes = config
        .workers
        .values()
        .filter(|worker| worker.transports.is_empty() || worker.transports.iter().any(|it| it == name))
        .peekable();
    if takes.peek().is_none() {
        return Some(format!(
            "transport '{}' has no worker: add it to the transports of one, or leave workers out if they are elsewhere",
            shown(name)
        ));
    }
    let is_taken = takes.any(|worker| worker.queues.is_empty() || worker.queues.contains(queue));
    (!is_taken).then(|| {
        format!(
            "transport '{}' puts messages into its queue '{}', which no worker takes: add it to the queues of one",
            shown(name),
            shown(queue)
        )
    })
}
