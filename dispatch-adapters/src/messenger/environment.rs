use std::env;
use std::ffi::OsString;

use dispatch_core::messenger::{ConfigLayers, MessengerConfig, MessengerError, MessengerErrorCode};

/// What the variables of a messenger begin with.
pub const ENV_PREFIX: &str = "DISPATCH_MESSENGER_";

/// The configuration that the environment of this process says: variables that begin with [`ENV_PREFIX`], as
/// [`ConfigLayers::vars`] lists them. Without any it is the default one.
///
/// Over a file, or under one, they are a layer:
///
/// ```
/// use dispatch_adapters::messenger::{self, ConfigLayers};
///
/// let file = "default_priority = 4";
/// let layers = ConfigLayers::new().toml(file)?.vars(messenger::ENV_PREFIX, messenger::env_vars()?)?;
/// assert!(layers.read()?.check().is_ok());
/// # Ok::<(), messenger::MessengerError>(())
/// ```
///
/// # Errors
/// Every variable that cannot be used, by its name; and what [`MessengerConfig::check`] says is found when it is opened.
pub fn config_from_env() -> Result<MessengerConfig, MessengerError> {
    ConfigLayers::new().vars(ENV_PREFIX, env_vars()?)?.read()
}

/// The variables of this process that begin with [`ENV_PREFIX`].
///
/// # Errors
/// Those whose values are not UTF-8, by their names.
pub fn env_vars() -> Result<Vec<(String, String)>, MessengerError> {
    readable(env::vars_os())
}

fn readable(
    vars: impl IntoIterator<Item = (OsString, OsString)>,
) -> Result<Vec<(String, String)>, MessengerError> {
    let (mut readable, mut problems) = (Vec::new(), Vec::new());
    for (name, value) in vars {
        let Some(name) = name.to_str().filter(|name| name.starts_with(ENV_PREFIX)) else { continue };
        match value.into_string() {
            Ok(value) => readable.push((name.to_owned(), value)),
            Err(_) => problems.push(format!("variable {name}: it is not UTF-8: write it in UTF-8")),
        }
    }
    if problems.is_empty() {
        return Ok(readable);
    }
    problems.sort();
    Err(MessengerError::new(MessengerErrorCode::Configuration, problems.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[cfg(unix)]
    #[test]
    fn what_is_not_utf_8_is_named_if_it_is_meant() {
        use std::ffi::OsString;
        use std::os::unix::ffi::OsStringExt;

        let broken = || OsString::from_vec(vec![b'x', 0xff]);
        let var = |name: &str, value: OsString| (OsString::from(name), value);
        let others =
            [var("PATH", broken()), (broken(), broken()), var("DISPATCH_MESSENGER_SYNC", "off".into())];
        assert_eq!(
            readable(others).ok(),
            Some(vec![("DISPATCH_MESSENGER_SYNC".to_owned(), "off".to_owned())])
        );
        let refused =
            readable([var("DISPATCH_MESSENGER_ROUTING", broken())]).map_err(|error| error.to_string());
        let text =
            "CONFIGURATION_ERROR: variable DISPATCH_MESSENGER_ROUTING: it is not UTF-8: write it in UTF-8";
        assert_eq!(refused, Err(text.to_owned()));
    }
}
