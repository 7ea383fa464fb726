use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// Keeps every span and event as a line of text.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<LinesShared>);

#[derive(Default)]
struct LinesShared {
    ids: AtomicU64,
    entered: Mutex<Vec<u64>>,
    spans: Mutex<Vec<String>>,
    lines: Mutex<Vec<String>>,
}

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        [self.0.spans.lock().unwrap().clone(), self.0.lines.lock().unwrap().clone()].concat()
    }

    /// How many of them have all these parts.
    pub(crate) fn with(&self, parts: &[&str]) -> usize {
        self.all().iter().filter(|line| parts.iter().all(|part| line.contains(part))).count()
    }
}

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        write!(self.0, " {}={value:?}", field.name()).unwrap();
    }
}

impl Subscriber for Lines {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("dispatch")
    }

    fn new_span(&self, span: &Attributes<'_>) -> Id {
        let mut text = Text(format!("{} span {}", span.metadata().level(), span.metadata().name()));
        span.record(&mut text);
        self.0.spans.lock().unwrap().push(text.0);
        Id::from_u64(self.0.ids.fetch_add(1, Ordering::SeqCst) + 1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let depth = self.0.entered.lock().unwrap().len();
        let mut text = Text(format!("{} in {depth} spans", event.metadata().level()));
        event.record(&mut text);
        self.0.lines.lock().unwrap().push(text.0);
    }

    fn enter(&self, span: &Id) {
        self.0.entered.lock().unwrap().push(span.into_u64());
    }

    fn exit(&self, _: &Id) {
        self.0.entered.lock().unwrap().pop();
    }
}
