//! Options that are secrets: where they are, never what they are.

use std::collections::BTreeMap;

use dispatch_core::ErrorCode;
use serde_json::Value;

use super::Fields;
use crate::secret::{SecretError, SecretRef};

impl Fields<'_> {
    /// A secret that may be absent: `env:NAME` or `file:PATH`. A problem never shows what stands there instead.
    pub fn secret(&mut self, name: &str) -> Option<SecretRef> {
        let value = self.raw(name)?;
        self.secret_of(name, value)
    }

    /// A list of secrets; absent, it is empty.
    pub fn secrets(&mut self, name: &str) -> Vec<SecretRef> {
        let Some(value) = self.raw(name) else {
            return Vec::new();
        };
        let Value::Array(list) = value else {
            return self.secret_of(name, value).into_iter().collect();
        };
        list.iter().filter_map(|value| self.secret_of(name, value)).collect()
    }

    /// A table of secrets; absent, it is empty.
    pub fn secret_table(&mut self, name: &str) -> BTreeMap<String, SecretRef> {
        let table = self.table(name, |fields| {
            let names: Vec<String> = fields.names().map(str::to_owned).collect();
            names.into_iter().filter_map(|name| Some((name.clone(), fields.secret(&name)?))).collect()
        });
        table.unwrap_or_default()
    }

    fn secret_of(&mut self, name: &str, value: &Value) -> Option<SecretRef> {
        let parsed = match value.as_str() {
            Some(text) => text.parse::<SecretRef>(),
            None => Err(SecretError::Plain),
        };
        match parsed {
            Ok(secret) => Some(secret),
            Err(error) => {
                self.wrong(ErrorCode::InvalidConfiguration, name, &format!(": {error}"));
                None
            }
        }
    }
}
