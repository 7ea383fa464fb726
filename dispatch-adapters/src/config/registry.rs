use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use dispatch_actors::messenger::Messenger;
use dispatch_core::delivery::Adapter;
use dispatch_core::{ErrorCode, Problem, RegistrationError};
use serde_json::{Map, Value};

use super::likeness::suggestion;
use super::{Fields, TargetConfig, TargetError, built_in, syntax};
use crate::pubsub::PubSub;
use crate::targets::problems_of_names;

/// Makes an adapter from its options. It is called for every target of its type, also to check one.
pub type Factory = Arc<dyn Fn(&mut Fields<'_>) -> Arc<dyn Adapter> + Send + Sync>;

/// The types of adapters that a configuration may name.
///
/// The [module](super) shows how to register one of your own.
#[derive(Clone, Default)]
pub struct AdapterRegistry {
    factories: BTreeMap<String, Factory>,
    pub(super) instances: BTreeMap<String, PubSub>,
    pub(super) bus: Option<Arc<dyn Adapter>>,
    pub(super) messengers: BTreeMap<String, Messenger>,
    #[cfg(feature = "http")]
    pub(super) pools: BTreeMap<String, crate::http::HttpPool>,
}

/// A target that was read and can be delivered to.
#[derive(Clone)]
#[non_exhaustive]
pub struct ReadyTarget {
    /// What was read.
    pub config: TargetConfig,
    /// The adapter, without its policies.
    pub adapter: Arc<dyn Adapter>,
    /// What is asked when the adapter does not take an envelope.
    pub fallback: Option<Arc<dyn Adapter>>,
    /// Where dead letters go.
    pub dead_letters: Vec<Self>,
}

impl AdapterRegistry {
    /// A registry that knows no type.
    #[must_use]
    pub fn empty() -> Self {
        Self::default()
    }

    /// A registry of the built-in types that need nothing but options: `console`, `file`, `http`, `logger`, `noop`,
    /// `webhook`.
    ///
    /// `actor`, `messenger`, `named` and `pubsub` lead to something in the program, which
    /// [`with_actor`](Self::with_actor), [`with_messenger`](Self::with_messenger), [`with_named`](Self::with_named) and
    /// [`with_pubsub`](Self::with_pubsub) hand in, the last one also with a bus by
    /// [`with_pubsub_bus`](Self::with_pubsub_bus).
    #[must_use]
    pub fn with_built_in() -> Self {
        let built_in = built_in::TABLE.iter().map(|(kind, factory)| {
            let factory: Factory = Arc::new(*factory);
            ((*kind).to_owned(), factory)
        });
        Self { factories: built_in.collect(), ..Self::default() }
    }

    /// Registers a type.
    ///
    /// # Errors
    /// If the name is blank or taken.
    pub fn register<A: Adapter>(
        &mut self,
        kind: impl Into<String>,
        factory: impl Fn(&mut Fields<'_>) -> A + Send + Sync + 'static,
    ) -> Result<(), RegistrationError> {
        self.register_shared(kind, Arc::new(move |fields| Arc::new(factory(fields))))
    }

    /// Registers a type whose factory shares its adapters, or makes different ones.
    ///
    /// # Errors
    /// If the name is blank or taken.
    pub fn register_shared(
        &mut self,
        kind: impl Into<String>,
        factory: Factory,
    ) -> Result<(), RegistrationError> {
        let kind = kind.into();
        if kind.trim().is_empty() {
            let text = "the type of an adapter is blank: give it a name";
            return Err(Problem::new(ErrorCode::InvalidParameter, text).into());
        }
        if self.factories.contains_key(&kind) {
            let text = format!("the adapter type '{kind}' is registered already: use another name");
            return Err(Problem::new(ErrorCode::DuplicateRegistration, text).into());
        }
        self.factories.insert(kind, factory);
        Ok(())
    }

    pub(super) fn replace(&mut self, kind: &str, factory: Factory) {
        self.factories.insert(kind.to_owned(), factory);
    }

    /// The types, sorted.
    pub fn kinds(&self) -> impl Iterator<Item = &str> {
        self.factories.keys().map(String::as_str)
    }

    /// Makes the bare adapter of a target.
    ///
    /// # Errors
    /// Everything that is wrong with the target and its dead-letter targets.
    pub fn build(&self, config: &TargetConfig) -> Result<Arc<dyn Adapter>, TargetError> {
        self.target(config).map(|target| target.adapter)
    }

    /// Makes the adapters of a target and of its dead-letter targets.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub fn target(&self, config: &TargetConfig) -> Result<ReadyTarget, TargetError> {
        let mut problems = Vec::new();
        self.policy_problems(config, &mut problems);
        let target = self.make(config, &mut problems);
        TargetError::check(problems)?;
        target.ok_or_else(|| TargetError::Problems(Vec::new()))
    }

    /// Everything that is wrong with a target and its dead-letter targets, sorted.
    #[must_use]
    pub fn check(&self, config: &TargetConfig) -> Vec<Problem> {
        self.target(config).err().map(|error| error.problems().to_vec()).unwrap_or_default()
    }

    /// Reads the list `targets` of a TOML text. Other keys at its top are refused: for a part of a larger file there is
    /// [`read_value`](Self::read_value).
    ///
    /// # Errors
    /// [`TargetError`], with everything that is wrong with any target.
    pub fn read_toml(&self, text: &str) -> Result<Vec<ReadyTarget>, TargetError> {
        self.read_value(&syntax::toml(text)?)
    }

    /// Reads the list `targets` of a JSON text.
    ///
    /// # Errors
    /// [`TargetError`], with everything that is wrong with any target.
    pub fn read_json(&self, text: &str) -> Result<Vec<ReadyTarget>, TargetError> {
        self.read_value(&syntax::json(text)?)
    }

    /// Reads the list `targets` of a table.
    ///
    /// # Errors
    /// [`TargetError`], with everything that is wrong with any target.
    pub fn read_value(&self, value: &Value) -> Result<Vec<ReadyTarget>, TargetError> {
        let nothing = Map::new();
        let mut fields = Fields::new("", value.as_object().unwrap_or(&nothing));
        let list: Vec<Value> = fields.needed("targets").unwrap_or_default();
        let mut problems = fields.finish();
        let mut targets = Vec::new();
        let mut names = Vec::new();
        for (number, value) in list.iter().enumerate() {
            let config = TargetConfig::read(value, &format!("targets[{number}]"), &mut problems);
            targets.extend(self.make(&config, &mut problems));
            names.push(config.name);
        }
        if !names.is_empty() {
            let named = names.iter().map(String::as_str);
            problems.extend(problems_of_names(named));
        }
        TargetError::check(problems)?;
        Ok(targets)
    }

    /// Makes a target and its dead-letter targets as far as that goes. Its policies have been checked.
    fn make(&self, config: &TargetConfig, problems: &mut Vec<Problem>) -> Option<ReadyTarget> {
        let adapter = self.adapter(config, problems);
        let letters = config.dead_letters.iter();
        for other in letters.clone().chain(config.fallback.as_deref()) {
            let policies = other.policies();
            if !policies.is_empty() {
                let text = format!(
                    "target '{}': a fallback or dead-letter target has no policies of its own: remove {}",
                    other.name,
                    policies.join(", ")
                );
                problems.push(Problem::new(ErrorCode::InvalidConfiguration, text));
            }
        }
        let dead_letters = letters.filter_map(|letter| self.make(letter, problems)).collect();
        let fallback = config.fallback.as_ref().and_then(|fallback| self.make(fallback, problems));
        let fallback = fallback.map(|target| target.adapter);
        Some(ReadyTarget { config: config.clone(), adapter: adapter?, fallback, dead_letters })
    }

    fn adapter(&self, config: &TargetConfig, problems: &mut Vec<Problem>) -> Option<Arc<dyn Adapter>> {
        if config.kind.trim().is_empty() {
            // This has been said already.
            return None;
        }
        let Some(factory) = self.factories.get(&config.kind) else {
            let text = format!("target '{}': {}", config.name, self.unknown(&config.kind));
            problems.push(Problem::new(ErrorCode::ItemNotRegistered, text));
            return None;
        };
        let mut fields = Fields::of_target(config);
        let adapter = factory(&mut fields);
        fields.refuse_validated(adapter.validate().err().unwrap_or_default());
        problems.append(&mut fields.finish());
        Some(adapter)
    }

    fn unknown(&self, kind: &str) -> String {
        if let Some(hint) = built_in::hint(kind) {
            return format!("type '{kind}' is not there: {hint}");
        }
        let (meant, known) = (suggestion(kind, self.kinds()), self.kinds().collect::<Vec<_>>().join(", "));
        match (meant.is_empty(), known.is_empty()) {
            (_, true) => format!("type '{kind}' is unknown: register it"),
            (true, false) => format!("type '{kind}' is unknown: use one of {known}"),
            (false, false) => format!("type '{kind}' is unknown: {meant} The known ones are {known}"),
        }
    }

    fn policy_problems(&self, config: &TargetConfig, problems: &mut Vec<Problem>) {
        let whose = format!("target '{}'", config.name);
        let own = config.problems().into_iter();
        problems.extend(
            own.map(|problem| Problem::new(problem.code(), format!("{whose}: {}", problem.message()))),
        );
        let others = config.dead_letters.iter().chain(config.fallback.as_deref());
        others.for_each(|other| self.policy_problems(other, problems));
    }
}

impl fmt::Debug for AdapterRegistry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AdapterRegistry").field("kinds", &self.factories.keys()).finish()
    }
}

impl fmt::Debug for ReadyTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReadyTarget")
            .field("config", &self.config)
            .field("adapter", &self.adapter.name())
            .finish_non_exhaustive()
    }
}
