//! Kinds `webhook_sign`, `webhook_verify` and `url_guard`.

use std::net::IpAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use dispatch_adapters::secret::Secret;
use dispatch_adapters::webhook::{self, Scheme, TOLERANCE, VerifyError};
use dispatch_core::delivery::is_public;
use serde_json::{Map, Value, json};

use super::case::{read, text};

pub(super) fn sign(input: &Value) -> Result<Value, String> {
    let (scheme, id, body): (Scheme, _, _) =
        (read(&input["scheme"])?, text(input, "id")?, text(input, "body")?);
    let secrets = match secrets(input)? {
        Ok(secrets) => secrets,
        Err(error) => return Ok(refused(&error)),
    };
    Ok(match webhook::sign(scheme, &secrets, id, time(input, "timestamp")?, body.as_bytes()) {
        Ok(headers) => {
            let pairs = headers.into_iter().map(|(name, value)| (name.into_owned(), value.into()));
            Value::Object(pairs.collect::<Map<_, _>>())
        }
        Err(error) => refused(&error.into()),
    })
}

pub(super) fn verify(input: &Value) -> Result<Value, String> {
    let (scheme, body): (Scheme, _) = (read(&input["scheme"])?, text(input, "body")?);
    let headers = input["headers"].as_object().ok_or("no object 'headers'")?;
    let headers = headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)));
    let now = time(input, "now")?;
    let verified = secrets(input)?
        .and_then(|secrets| webhook::verify(scheme, &secrets, headers, body.as_bytes(), now, TOLERANCE));
    Ok(match verified {
        Ok(()) => "ok".into(),
        Err(error) => refused(&error),
    })
}

pub(super) fn url_guard(input: &Value) -> Result<Value, String> {
    let address: IpAddr = text(input, "ip")?.parse().map_err(|_| "not an address")?;
    Ok(is_public(address).into())
}

fn secrets(input: &Value) -> Result<Result<Vec<Secret>, VerifyError>, String> {
    let texts: Vec<String> = read(&input["secrets"])?;
    Ok(texts.into_iter().map(|text| Secret::new(text).map_err(VerifyError::from)).collect())
}

fn time(input: &Value, key: &str) -> Result<SystemTime, String> {
    let seconds = input[key].as_u64().ok_or_else(|| format!("no whole number '{key}'"))?;
    Ok(UNIX_EPOCH + Duration::from_secs(seconds))
}

fn refused(error: &VerifyError) -> Value {
    json!({"error": error.code()})
}
