use super::*;

const PREFIX: &str = "DISPATCH_MESSENGER_";

fn of_vars(vars: &[(&str, &str)]) -> Result<MessengerConfig, MessengerError> {
    let vars = vars.iter().map(|(name, value)| (format!("{PREFIX}{name}"), *value));
    ConfigLayers::new().vars(PREFIX, vars)?.read()
}

#[test]
fn every_variable_says_what_its_name_says() {
    let config = of_vars(&[
        ("DEFAULT_TRANSPORT", "main"),
        ("DEFAULT_QUEUE", "bulk"),
        ("DEFAULT_PRIORITY", "9"),
        ("DEDUP_WINDOW_MS", "1000"),
        ("IDEMPOTENCY", "auto"),
        ("DUPLICATES", "reject"),
        ("TRANSPORTS", r#"{"main": {"type": "memory"}, "fast": {"type": "memory", "max_messages": 5}}"#),
        ("ROUTING", r#"{"SendMail": "fast", "Order": ["main", "fast"]}"#),
        ("PRIORITY_TIERS", r#"{"high": 8, "high_transport": "fast"}"#),
        ("WORKERS", r#"{"all": {"concurrency": 7}}"#),
        ("RETRY", r#"{"SendMail": {"max_retries": 1}, "default": {"max_retries": 2, "base_ms": 7}}"#),
        ("RETRY_MAX_RETRIES", "6"),
        ("RETRY_MULTIPLIER", "1.5"),
        ("RETRY_CAP_MS", "9000"),
    ]);
    let config = config.unwrap();
    assert!(config.check().is_ok());
    insta::assert_snapshot!(serde_json::to_string_pretty(&config).unwrap());
    let base = of_vars(&[("RETRY_BASE_MS", "11")]).unwrap().retry["default"].base;
    assert_eq!(base, Duration::from_millis(11));
    assert_eq!(of_vars(&[]).unwrap(), MessengerConfig::default());
}

#[test]
fn what_cannot_be_used_is_named_by_its_variable_and_not_by_its_value() {
    let error = of_vars(&[
        ("PROFILE", "secret"),
        ("DEFAULT_PRIORITY", "secret"),
        ("DUPLICATES", "secret"),
        ("ROUTING", r#"{"SendMail": "secret", }"#),
        ("TRANSPORTS", r#"{"main": "secret"}"#),
        ("RETRY_MAX_RETRIES", "-1"),
        ("SYNC", "secret"),
        ("DEFUALT_QUEUE", "secret"),
    ]);
    let error = error.unwrap_err();
    assert_eq!(error.code(), MessengerErrorCode::Configuration);
    assert!(!error.to_string().contains("secret"));
    insta::assert_snapshot!(error.problems().join("\n"));
}

#[test]
fn of_the_environment_only_what_has_the_prefix_counts_and_nothing_that_is_empty() {
    let vars =
        [("PATH", "/bin"), ("DEFAULT_QUEUE", "no"), ("APP_DEFAULT_QUEUE", " yes "), ("APP_PROFILE", "")];
    let config = ConfigLayers::new().vars("APP_", vars).unwrap().read().unwrap();
    assert_eq!(config, MessengerConfig { default_queue: "yes".to_owned(), ..MessengerConfig::default() });
}

#[test]
fn whoever_comes_later_wins_and_the_profile_never() {
    let file = "profile = 'test'\ndefault_priority = 2\n[transports.default]\ntype = 'memory'\n[routing]\nA = 'default'";
    let layers = || ConfigLayers::new().profile(Profile::Production).toml(file).unwrap();
    let config = layers().read().unwrap();
    assert_eq!(config.retry["default"].max_retries, 2, "the profile of the file");
    assert_eq!(config.transports.len(), 1, "whoever names transports has no others");
    let vars = [
        ("X_PROFILE", "production"),
        ("X_RETRY_BASE_MS", "10"),
        ("X_ROUTING", r#"{"A": null, "B": "default"}"#),
    ];
    let over = layers().vars("X_", vars).unwrap();
    let over =
        over.value(json!({ "default_priority": 3, "retry": { "default": { "jitter": "none" } } })).unwrap();
    let config = over.read().unwrap();
    let retry = &config.retry["default"];
    assert_eq!((retry.max_retries, retry.base.as_millis(), config.default_priority), (5, 10, 3));
    assert_eq!(config.routing.keys().collect::<Vec<_>>(), ["B"]);
    assert!(config.check().is_ok());
    let none =
        config.set(&json!({ "workers": { "nobody": null }, "priority_tiers": { "low": null } })).unwrap();
    assert_eq!((none.workers.len(), none.priority_tiers), (0, Some(PriorityTiers::default())));
}

#[test]
fn the_flag_of_sync_transports_is_a_layer_like_the_others() {
    let later = json!({ "transports": { "at_once": { "type": "sync" } } });
    let off = || ConfigLayers::new().vars("X_", [("X_SYNC", "off")]).unwrap();
    let names = |layers: ConfigLayers| layers.read().unwrap().transports.into_keys().collect::<Vec<_>>();
    assert_eq!(names(off()), ["default"]);
    assert_eq!(names(off().value(later.clone()).unwrap()), ["at_once"], "whoever comes later wins");
    assert!(
        names(ConfigLayers::new().value(later).unwrap().vars("X_", [("X_SYNC", "off")]).unwrap()).is_empty()
    );
    let on = |transports: &str| {
        let vars = [("X_SYNC", "on"), ("X_TRANSPORTS", transports)];
        ConfigLayers::new().vars("X_", vars).unwrap()
    };
    assert_eq!(names(on(r#"{"main": {"type": "memory"}}"#)), ["main", "sync"]);
    assert_eq!(names(on(r#"{"now": {"type": "sync"}}"#)), ["now"], "there is one");
    let taken = on(r#"{"sync": {"type": "memory"}}"#).read().unwrap_err().to_string();
    assert!(taken.contains("another one has the name 'sync'"), "nothing is replaced: {taken}");
}

#[test]
fn a_layer_that_is_none_says_where_it_is_wrong() {
    let json = |text: &str| ConfigLayers::new().json(text).unwrap_err().to_string();
    assert!(json("{\n\"default_priority\": \"x\"}").contains("line 2"));
    assert!(json(r#"{"profile": "staging"}"#).contains("'staging' is no profile: use one of production"));
    assert!(json("[]").contains("object"), "{}", json("[]"));
    assert!(json(r#"{"retry": {"default": null}}"#).contains("the default retry cannot be removed"));
    assert!(ConfigLayers::new().toml("no_such = 1").unwrap_err().to_string().contains("no_such"));
    let toml = |text: &str| ConfigLayers::new().toml(text).unwrap_err().to_string();
    let retries = toml("default_priority = 3\n[retry.Welcome]\nretries = 5");
    assert!(retries.contains("line 3: unknown field `retries`"), "{retries}");
    assert!(toml("default_priority = 3\n[retry").contains("line 2: "), "{}", toml("a = 3\n[retry"));
}
