//! What it costs to record one dispatch with one dispatcher.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use dispatch_core::{Category, DispatchStatus};
use dispatch_metrics::{
    DispatchSample, DispatcherSlot, ExecutionOutcome, ExecutionSample, Recorder, TopicSlot,
};

fn dispatch(duration: Duration, topic: TopicSlot) -> DispatchSample {
    DispatchSample {
        status: DispatchStatus::Success,
        category: Some(Category::Event),
        category_mismatch: false,
        topic: Some(topic),
        routes_matched: 1,
        duration,
    }
}

/// A recorder with that many dispatchers and topics.
fn recorder(names: u32) -> (Recorder, Vec<DispatcherSlot>, Vec<TopicSlot>) {
    let mut recorder = Recorder::new("bench");
    let dispatchers = (0..names).map(|n| recorder.register_dispatcher(&format!("dispatcher-{n}"))).collect();
    let topics = (0..names).map(|n| recorder.register_topic(format!("shop.topic{n}.events"))).collect();
    (recorder, dispatchers, topics)
}

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("recorder");
    for (name, duration) in [("fast", Duration::from_micros(80)), ("slow", Duration::from_millis(80))] {
        for names in [1, 256] {
            let (mut recorder, dispatchers, topics) = recorder(names);
            let slots: Vec<_> = dispatchers.into_iter().zip(topics).collect();
            let mut turn = 0;
            group.bench_function(format!("dispatch+execution/{name}/{names}"), |bencher| {
                bencher.iter(|| {
                    turn = if turn + 1 < slots.len() { turn + 1 } else { 0 };
                    let (dispatcher, topic) = slots[turn];
                    let duration = black_box(duration);
                    let outcome = black_box(ExecutionOutcome::Success);
                    let execution = ExecutionSample { outcome, duration, topic: Some(topic) };
                    recorder.record_execution(black_box(dispatcher), execution);
                    recorder.record_dispatch(black_box(dispatch(duration, topic)));
                });
            });
            black_box(recorder.snapshot());
        }
    }
    group.finish();
}

fn snapshot(criterion: &mut Criterion) {
    let (mut recorder, dispatchers, topics) = recorder(1_000);
    for (dispatcher, topic) in dispatchers.into_iter().zip(topics) {
        let (outcome, duration) = (ExecutionOutcome::Success, Duration::from_micros(80));
        recorder.record_execution(dispatcher, ExecutionSample { outcome, duration, topic: Some(topic) });
        recorder.record_dispatch(dispatch(duration, topic));
    }
    criterion.bench_function("snapshot/1000 dispatchers, 1000 topics", |bencher| {
        bencher.iter_batched(|| (), |()| recorder.snapshot(), BatchSize::LargeInput);
    });
}

criterion_group!(benches, record, snapshot);
criterion_main!(benches);
