//! Replacing the table of a running engine.

use std::collections::BTreeMap;

use dispatch_core::error::{ErrorCode, Problem, RegistrationError};
use dispatch_core::{DispatcherId, DispatcherSpec};

use super::builder::{Blueprint, EngineBuilder};
use super::{Engine, ReloadReport};
use crate::router::{AskRoster, Swap};

/// A reload was refused; the engine is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReloadError {
    /// The new dispatchers, routes or limits are not valid.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// The engine has stopped.
    #[error("the engine has been shut down: freeze a new one")]
    Stopped,
}

impl Engine {
    /// Replaces dispatchers, routes and limits, all at once: a dispatch sees the old table or the new one.
    ///
    /// What is in flight finishes on the old table. A dispatcher whose id stays keeps its actor, its state and its
    /// metrics, and takes the new time-out, concurrency, category, types, kind and routes; code given for it is not
    /// used, unless the dispatcher is down: then it is started afresh. Of the configuration, the routes, `timeout` and `max_in_flight` come into force; everything else
    /// stays as it was frozen.
    ///
    /// # Errors
    /// [`ReloadError`]; nothing has changed then.
    pub async fn reload(&self, mut builder: EngineBuilder) -> Result<ReloadReport, ReloadError> {
        builder.refuse_fixed_parts()?;
        self.shared.check_ready().map_err(|_| ReloadError::Stopped)?;
        let stopped = |_| ReloadError::Stopped;
        let mut roster = self.shared.router.send(AskRoster).await.map_err(stopped)?;
        builder.take_pools(&roster.pools)?;
        let mut table = builder.compile(&roster.dispatchers)?;
        let config = builder.config;
        let entries = builder.registrations.into_iter();
        let mut registrations =
            entries.filter_map(|entry| entry.into_registration(&roster.dispatchers)).collect();
        loop {
            let blueprint = Box::new(Blueprint { config: config.clone(), table, registrations });
            let swap = Swap { version: roster.version, blueprint };
            match self.shared.router.send(swap).await.map_err(stopped)? {
                Ok(report) => return Ok(report),
                Err(returned) => {
                    // The engine is stopping, or another reload came first: what is to be kept may be gone.
                    self.shared.check_ready().map_err(|_| ReloadError::Stopped)?;
                    roster = self.shared.router.send(AskRoster).await.map_err(stopped)?;
                    check_kept(&returned, &roster.dispatchers)?;
                    Blueprint { table, registrations, .. } = *returned;
                }
            }
        }
    }
}

/// The dispatchers without code must still run.
fn check_kept(
    blueprint: &Blueprint,
    running: &BTreeMap<DispatcherId, DispatcherSpec>,
) -> Result<(), RegistrationError> {
    let gone = blueprint.registrations.iter().filter(|registration| {
        registration.is_kept() && running.get(&registration.spec.id) != Some(&registration.spec)
    });
    let problems = gone.map(|registration| {
        let id = &registration.spec.id;
        Problem::new(
            ErrorCode::ItemNotRegistered,
            format!("dispatcher '{id}' is to be kept but was changed by another reload: try again"),
        )
    });
    RegistrationError::check(problems.collect())
}
