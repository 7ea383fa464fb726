use serde::Deserialize;
use serde_json::{Map, Value};

use super::config::refuse;
use super::{MessengerConfig, MessengerError, Profile, Routing, vars};

/// A configuration from several places, each over those before it: files, values of the program, variables of the
/// environment. Under all of them is a [`Profile`], whoever names it.
///
/// - Of what is said twice the later wins: transports, routes and workers by name, retries and tiers by name and member.
///   What is `null` of them is removed.
/// - The transports of the default configuration are there unless somebody names transports.
///
/// ```
/// use dispatch_core::messenger::ConfigLayers;
///
/// let file = r#"
///     default_priority = 4
///     [retry.default]
///     max_retries = 6
/// "#;
/// let variables = [("DISPATCH_MESSENGER_PROFILE", "production"), ("DISPATCH_MESSENGER_DEFAULT_PRIORITY", "7")];
/// let config = ConfigLayers::new().toml(file)?.vars("DISPATCH_MESSENGER_", variables)?.read()?;
/// assert_eq!((config.default_priority, config.retry["default"].max_retries), (7, 6));
/// assert_eq!(config.retry["default"].cap.as_secs(), 60, "as in production");
/// # Ok::<(), dispatch_core::messenger::MessengerError>(())
/// ```
#[derive(Debug, Clone, Default)]
#[must_use = "layers do nothing until they are read"]
pub struct ConfigLayers {
    profile: Option<Profile>,
    layers: Vec<Layer>,
}

#[derive(Debug, Clone)]
enum Layer {
    Members(Map<String, Value>),
    /// Whether there are transports of the type `sync` among those of the layers before.
    Sync(bool),
}

/// What a layer may say: what a configuration may, and its profile.
const PROFILE: &str = "profile";

impl ConfigLayers {
    /// Nothing but the default configuration.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts everything over a profile. A later layer that names another one wins.
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = Some(profile);
        self
    }

    /// Adds a layer of TOML.
    ///
    /// # Errors
    /// Text that is not TOML, an unknown member or a value of the wrong type.
    pub fn toml(self, text: &str) -> Result<Self, MessengerError> {
        let layer: Value = toml::from_str(text).map_err(|error| refuse(placed(text, &error)))?;
        self.added(layer, || toml::from_str::<MessengerConfig>(text).err().map(|it| placed(text, &it)))
    }

    /// Adds a layer of JSON.
    ///
    /// # Errors
    /// Text that is not JSON, an unknown member or a value of the wrong type.
    pub fn json(self, text: &str) -> Result<Self, MessengerError> {
        let layer: Value = serde_json::from_str(text).map_err(|error| refuse(error.to_string()))?;
        self.added(layer, || serde_json::from_str::<MessengerConfig>(text).err().map(|it| it.to_string()))
    }

    /// Adds a layer of variables that begin with a prefix, such as `DISPATCH_MESSENGER_`. Others, and those without a
    /// text, are left alone.
    ///
    /// | variable | says |
    /// |---|---|
    /// | `PROFILE` | `production`, `development` or `test` |
    /// | `DEFAULT_TRANSPORT`, `DEFAULT_QUEUE`, `DEFAULT_PRIORITY`, `DEDUP_WINDOW_MS`, `IDEMPOTENCY`, `DUPLICATES` | the member of that name |
    /// | `TRANSPORTS`, `ROUTING`, `TOPICS`, `RETRY`, `PRIORITY_TIERS`, `WORKERS` | the member of that name, as a JSON object |
    /// | `RETRY_MAX_RETRIES`, `RETRY_BASE_MS`, `RETRY_MULTIPLIER`, `RETRY_CAP_MS` | the member of the default retry, over `RETRY` |
    /// | `SYNC` | whether there are transports of the type `sync` among those named so far: 1, true, yes, on, or 0, false, no, off |
    ///
    /// # Errors
    /// Variables with the prefix that are unknown, and every value that cannot be used, each by the name of its variable and
    /// without the value.
    pub fn vars<N: AsRef<str>, V: AsRef<str>>(
        self,
        prefix: &str,
        vars: impl IntoIterator<Item = (N, V)>,
    ) -> Result<Self, MessengerError> {
        vars::add(self, prefix, vars)
    }

    /// The configuration that comes of it, which is still to be [checked](MessengerConfig::check).
    ///
    /// # Errors
    /// An unknown member, a value of the wrong type, or a layer that removes the default retry.
    pub fn read(self) -> Result<MessengerConfig, MessengerError> {
        let mut base = self.profile.map_or_else(MessengerConfig::default, Profile::config);
        let names_some = |layer: &Layer| match layer {
            Layer::Members(members) => match members.get("transports") {
                Some(Value::Object(named)) => named.is_empty() || named.values().any(|it| !it.is_null()),
                named => named.is_some(),
            },
            Layer::Sync(_) => false,
        };
        if self.layers.iter().any(names_some) {
            base.transports.clear();
        }
        let mut whole = serde_json::to_value(base).map_err(|error| refuse(error.to_string()))?;
        for layer in self.layers {
            match layer {
                Layer::Members(members) => merge(&mut whole, &Value::Object(members))?,
                Layer::Sync(has_sync) => set_sync(&mut whole, has_sync)?,
            }
        }
        MessengerConfig::deserialize(whole).map_err(|error| refuse(error.to_string()))
    }

    /// Adds whether there are transports of the type `sync`.
    pub(super) fn sync(mut self, has_sync: bool) -> Self {
        self.layers.push(Layer::Sync(has_sync));
        self
    }

    /// Adds a layer.
    ///
    /// # Errors
    /// What is no object, an unknown member or a value of the wrong type.
    pub fn value(self, layer: Value) -> Result<Self, MessengerError> {
        self.added(layer, || None)
    }

    /// Adds a layer whose text may say better what is wrong with it: where that is.
    fn added(mut self, layer: Value, at: impl FnOnce() -> Option<String>) -> Result<Self, MessengerError> {
        let Value::Object(mut layer) = layer else {
            return Err(refuse("a configuration is an object".to_owned()));
        };
        let profile = layer.remove(PROFILE);
        let has_profile = profile.is_some();
        if let Some(profile) = profile {
            let profile =
                Profile::deserialize(profile).map_err(|error| refuse(format!("profile: {error}")))?;
            self.profile = Some(profile);
        }
        // Alone it tells what is wrong with it, before it is put over anything.
        let mut alone =
            serde_json::to_value(MessengerConfig::default()).map_err(|error| refuse(error.to_string()))?;
        merge(&mut alone, &Value::Object(layer.clone()))?;
        if let Err(error) = MessengerConfig::deserialize(alone) {
            // With a profile the text is no configuration as it stands there.
            let text = if has_profile { None } else { at() };
            return Err(refuse(text.unwrap_or_else(|| error.to_string())));
        }
        self.layers.push(Layer::Members(layer));
        Ok(self)
    }
}

/// What is wrong with a text, and in which line.
fn placed(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    match before {
        Some(before) => format!("line {}: {}", before.matches('\n').count() + 1, error.message()),
        None => error.message().to_owned(),
    }
}

/// Takes transports of the type `sync` away, or adds one under that name if there is none.
fn set_sync(whole: &mut Value, has_sync: bool) -> Result<(), MessengerError> {
    const SYNC: &str = "sync";
    let is_sync = |transport: &Value| transport.get("type").and_then(Value::as_str) == Some(SYNC);
    let Value::Object(members) = whole else { return Ok(()) };
    // A member that is empty is left out where it is written.
    let transports = members.entry("transports").or_insert_with(|| Map::new().into());
    let Value::Object(transports) = transports else { return Ok(()) };
    if !has_sync {
        transports.retain(|_, transport| !is_sync(transport));
    } else if !transports.values().any(is_sync) {
        if transports.contains_key(SYNC) {
            let problem = "a transport of the type sync was asked for, and another one has the name 'sync': give that one \
                           another name, or make one of the type sync under a name of yours";
            return Err(refuse(problem.to_owned()));
        }
        transports.insert(SYNC.to_owned(), serde_json::json!({ "type": SYNC }));
    }
    Ok(())
}

/// Puts a configuration over another one.
pub(super) fn merge(whole: &mut Value, over: &Value) -> Result<(), MessengerError> {
    let (Value::Object(members), Value::Object(over)) = (whole, over) else {
        return Err(refuse("a configuration is an object".to_owned()));
    };
    for (name, value) in over {
        let Value::Object(theirs) = value else {
            members.insert(name.clone(), value.clone());
            continue;
        };
        // A member that is empty is left out where it is written.
        let mine = members.entry(name.clone()).or_insert_with(|| Map::new().into());
        match mine {
            Value::Object(mine) => merge_named(name, mine, theirs)?,
            mine => *mine = value.clone(),
        }
    }
    Ok(())
}

fn merge_named(
    member: &str,
    mine: &mut Map<String, Value>,
    theirs: &Map<String, Value>,
) -> Result<(), MessengerError> {
    let is_retry = member == "retry";
    for (name, value) in theirs {
        match (mine.get_mut(name), value) {
            (_, Value::Null) if is_retry && name == Routing::DEFAULT => return Err(no_default_retry()),
            (_, Value::Null) => drop(mine.remove(name)),
            (Some(Value::Object(policy)), Value::Object(over)) if is_retry => policy.extend(over.clone()),
            _ => drop(mine.insert(name.clone(), value.clone())),
        }
    }
    Ok(())
}

pub(super) fn no_default_retry() -> MessengerError {
    refuse("the default retry cannot be removed: set it to what it should be".to_owned())
}
