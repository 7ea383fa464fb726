//! The work, whatever the store.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use apalis::prelude::*;
use apalis_core::backend::finalize::Durable;
use futures_util::future::join_all;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::mpsc;

use crate::measure::{Begun, percentiles};

pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Messages in one call while a worker handles them.
const TOGETHER: usize = 100;
/// How long the queue rests between two messages.
const REST: Duration = Duration::from_millis(5);

/// 256 bytes, as JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Job {
    data: String,
}

impl Job {
    fn new() -> Self {
        Self { data: "x".repeat(256 - r#"{"data":""}"#.len()) }
    }
}

fn jobs(count: usize) -> Vec<Job> {
    vec![Job::new(); count]
}

fn failed<E: std::fmt::Debug>(error: E) -> Failure {
    format!("{error:?}").into()
}

/// A store that a message can be put into.
pub trait Store: Clone + 'static {
    fn put(&mut self, jobs: Vec<Job>) -> impl Future<Output = Result<(), Failure>>;
}

impl<S> Store for S
where
    S: TaskSink<Job, Durable> + Clone + 'static,
    S::Error: std::fmt::Debug,
{
    async fn put(&mut self, mut jobs: Vec<Job>) -> Result<(), Failure> {
        match jobs.len() {
            1 => self.push(jobs.remove(0)).await.map_err(failed),
            _ => self.push_bulk(jobs).await.map_err(failed),
        }
    }
}

/// Stores messages, so many in a call.
pub async fn batches(mut store: impl Store, messages: usize, size: usize) -> Result<Value, Failure> {
    let begun = Begun::now();
    for _ in 0..messages / size {
        store.put(jobs(size)).await?;
    }
    Ok(begun.each(messages / size * size))
}

/// Stores messages one by one, from so many callers.
pub async fn singles(store: impl Store, messages: usize, callers: usize) -> Result<Value, Failure> {
    let begun = Begun::now();
    let caller = || {
        let mut store = store.clone();
        async move {
            for _ in 0..messages / callers {
                store.put(jobs(1)).await?;
            }
            Ok::<_, Failure>(())
        }
    };
    for done in join_all((0..callers).map(|_| caller())).await {
        done?;
    }
    Ok(begun.each(messages / callers * callers))
}

/// What a handler does: it counts, and stops the worker with the last message.
#[derive(Clone)]
pub struct Handled {
    left: Arc<AtomicUsize>,
    told: mpsc::UnboundedSender<Instant>,
}

impl Handled {
    pub fn new(messages: usize) -> (Self, mpsc::UnboundedReceiver<Instant>) {
        let (told, hear) = mpsc::unbounded_channel();
        (Self { left: Arc::new(AtomicUsize::new(messages)), told }, hear)
    }

    fn one(&self, worker: &WorkerContext) {
        let _ = self.told.send(Instant::now());
        if self.left.fetch_sub(1, Ordering::Relaxed) == 1 {
            // It ends once all of it is written.
            let _ = worker.stop();
        }
    }
}

pub async fn handle(job: Job, worker: WorkerContext, handled: Data<Handled>) -> Result<(), BoxDynError> {
    std::hint::black_box(job);
    handled.one(&worker);
    Ok(())
}

/// Stores messages while a worker handles as many.
pub async fn work(
    mut store: impl Store,
    messages: usize,
    worker: impl Future<Output = Result<(), WorkerError>>,
) -> Result<Value, Failure> {
    let begun = Begun::now();
    let put = async {
        let mut left = messages;
        while left > 0 {
            let now = left.min(TOGETHER);
            store.put(jobs(now)).await?;
            left -= now;
        }
        Ok::<_, Failure>(())
    };
    let (put, worked) = tokio::join!(put, worker);
    put?;
    worked.map_err(failed)?;
    Ok(begun.each(messages))
}

/// How long it takes until the handler of a message runs in an idle queue, from before it is stored.
pub async fn pickup(
    mut store: impl Store,
    messages: usize,
    mut heard: mpsc::UnboundedReceiver<Instant>,
    worker: impl Future<Output = Result<(), WorkerError>>,
) -> Result<Value, Failure> {
    let put = async {
        let mut all = Vec::new();
        for _ in 0..messages {
            tokio::time::sleep(REST).await;
            let begun = Instant::now();
            store.put(jobs(1)).await?;
            let handled = heard.recv().await.ok_or("the worker has ended")?;
            all.push(handled.saturating_duration_since(begun));
        }
        Ok::<_, Failure>(all)
    };
    let (put, worked) = tokio::join!(put, worker);
    worked.map_err(failed)?;
    Ok(percentiles(put?))
}
