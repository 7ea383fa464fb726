use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

/// An event of a log, with the spans it happened in.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Its level.
    pub level: Level,
    /// Its message.
    pub message: String,
    /// Its own fields, without the message.
    pub fields: BTreeMap<String, String>,
    /// Names and fields of the spans around it, the innermost first.
    pub spans: Vec<(&'static str, BTreeMap<String, String>)>,
}

impl Entry {
    /// A field of the event or of the innermost span that has it.
    #[must_use]
    pub fn get(&self, field: &str) -> Option<&str> {
        let spans = self.spans.iter().map(|(_, fields)| fields);
        std::iter::once(&self.fields).chain(spans).find_map(|fields| fields.get(field)).map(String::as_str)
    }

    /// Names of the spans around the event, the innermost first.
    #[must_use]
    pub fn span_names(&self) -> Vec<&'static str> {
        self.spans.iter().map(|(name, _)| *name).collect()
    }
}

/// A subscriber that keeps everything; a clone keeps it in the same place.
#[derive(Debug, Clone, Default)]
pub struct Logs(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    ids: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    spans: BTreeMap<u64, Span>,
    entered: Vec<u64>,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Span {
    name: &'static str,
    parent: Option<u64>,
    fields: BTreeMap<String, String>,
}

impl Logs {
    /// Keeps nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything so far, in order.
    #[must_use]
    pub fn entries(&self) -> Vec<Entry> {
        self.state().entries.clone()
    }

    /// What was said in these words.
    #[must_use]
    pub fn of(&self, message: &str) -> Vec<Entry> {
        self.entries().into_iter().filter(|entry| entry.message == message).collect()
    }

    /// The one event of these words.
    ///
    /// # Panics
    /// If there is none, or more than one.
    #[must_use]
    pub fn one(&self, message: &str) -> Entry {
        let mut found = self.of(message);
        assert_eq!(found.len(), 1, "events '{message}' in {:#?}", self.entries());
        found.remove(0)
    }
}

impl Subscriber for Logs {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let id = self.0.ids.fetch_add(1, Ordering::Relaxed) + 1;
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        let mut state = self.state();
        let parent = match attributes.parent() {
            Some(parent) => Some(parent.into_u64()),
            None if attributes.is_contextual() => state.entered.last().copied(),
            None => None,
        };
        state.spans.insert(id, Span { name: attributes.metadata().name(), parent, fields: fields.0 });
        Id::from_u64(id)
    }

    fn record(&self, span: &Id, values: &Record<'_>) {
        let mut fields = Fields::default();
        values.record(&mut fields);
        if let Some(span) = self.state().spans.get_mut(&span.into_u64()) {
            span.fields.extend(fields.0);
        }
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let message = fields.0.remove("message").unwrap_or_default();
        let mut state = self.state();
        let mut around = match event.parent() {
            Some(parent) => Some(parent.into_u64()),
            None => state.entered.last().copied(),
        };
        let mut spans = Vec::new();
        while let Some(span) = around.and_then(|id| state.spans.get(&id)) {
            spans.push((span.name, span.fields.clone()));
            around = span.parent;
        }
        state.entries.push(Entry { level: *event.metadata().level(), message, fields: fields.0, spans });
    }

    fn enter(&self, span: &Id) {
        self.state().entered.push(span.into_u64());
    }

    fn exit(&self, span: &Id) {
        let mut state = self.state();
        if let Some(position) = state.entered.iter().rposition(|id| *id == span.into_u64()) {
            state.entered.remove(position);
        }
    }
}

#[derive(Default)]
struct Fields(BTreeMap<String, String>);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.0.insert(field.name().to_owned(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.0.insert(field.name().to_owned(), value.to_owned());
    }
}
