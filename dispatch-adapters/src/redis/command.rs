use dispatch_core::Envelope;
use dispatch_core::delivery::{DeliveryError, Receipt};
use redis::{Cmd, RedisResult, Value};

use super::{RedisMode, RedisOptions, error};
use crate::wire::{Form, check_size, encode};

/// The command that delivers an envelope.
pub(super) fn of(envelope: &Envelope, options: &RedisOptions) -> Result<Cmd, DeliveryError> {
    let key = options.key.render(envelope, "key")?;
    let encoded = encode(envelope, options.form, "ce-")?;
    check_size(encoded.len(), options.max_bytes)?;
    let mut command = Cmd::new();
    match options.mode {
        RedisMode::Publish => {
            command.arg("PUBLISH").arg(key).arg(encoded.body);
        }
        RedisMode::Stream => {
            command.arg("XADD").arg(key);
            if !options.create {
                command.arg("NOMKSTREAM");
            }
            if let Some(max_len) = options.max_len {
                command.arg("MAXLEN").arg(if options.exact_len { "=" } else { "~" }).arg(max_len);
            }
            command.arg("*").arg("id").arg(envelope.id().to_string());
            command.arg("content-type").arg(&*encoded.content_type).arg("data").arg(encoded.body);
            if options.form == Form::Binary {
                for (name, value) in encoded.headers {
                    // These are ours; a field could stand twice, and readers differ in which they take.
                    if !["id", "content-type", "data"].contains(&name.as_str()) {
                        command.arg(name).arg(value);
                    }
                }
            }
        }
    }
    Ok(command)
}

/// What the answer to the command comes to.
pub(super) fn receipt(
    answer: Option<RedisResult<Value>>,
    options: &RedisOptions,
    server: &str,
) -> Result<Receipt, DeliveryError> {
    match answer {
        Some(Ok(Value::Int(_))) if options.mode == RedisMode::Publish => Ok(Receipt::taken()),
        Some(Ok(Value::BulkString(id))) => Ok(Receipt::with_id(String::from_utf8_lossy(&id))),
        Some(Ok(Value::Nil)) => Err(DeliveryError::permanent(format!(
            "there is no such stream at {server}: create it, or set create"
        ))),
        Some(Ok(_)) => Err(DeliveryError::retry(format!("{server} gave an answer that nobody expects"))),
        Some(Err(failed)) => Err(error::not_run(failed, server)),
        None => Err(DeliveryError::retry(format!("{server} has not answered for every command"))),
    }
}
