//! The dispatchers of the job, one of each kind, and how events reach them.

mod activity;
mod archive;
mod guard;
mod notify;
mod review;

use std::sync::Arc;

use dispatch_adapters::StartError;
use dispatch_adapters::model::dispatch::DispatchResult;
use dispatch_adapters::prelude::*;
use tokio::sync::mpsc::UnboundedSender;

use activity::Activity;
pub(crate) use archive::Archive;

/// Starts the engine; `seen` gets the result of every dispatch, those of outputs too.
pub(crate) fn engine(
    seed: u64,
    archive: &Arc<Archive>,
    seen: UnboundedSender<DispatchResult>,
) -> Result<Engine, StartError> {
    let archive = Arc::clone(archive);
    let route =
        |id: &str, pattern: &str, dispatcher: &str| Route::new(id, pattern, Category::Event, dispatcher);
    Engine::builder()
        .name("github")
        .configure(|config| config.seed = Some(seed))
        // An actor with a state, made by the engine, which would restart it.
        .dispatcher(on_event("activity").actor(Activity::default))
        // A function that may block, on a thread of the blocking pool.
        .dispatcher(on_event("archive").run_blocking(move |envelope: Envelope| archive.store(&envelope)))
        // An async function that refuses some events on purpose.
        .dispatcher(on_event("guard").run(guard::check))
        // An async function that takes a typed envelope and emits others.
        .dispatcher(on_event("review").types(review::TYPES).run(review::request))
        // What the others emit ends here.
        .dispatcher(on_command("notify").route_all().run(notify::send))
        .publish_to_self()
        .routes([
            route("everything", "github.**", "activity"),
            route("pushes", "github.push.**", "archive"),
            route("releases", "github.release.**", "archive"),
            route("workflows", "github.workflow_*.**", "archive"),
            route("rules", "github.branch_protection_rule.**", "guard").with_priority(100),
            route("repositories", "github.repository.**", "guard").with_priority(100),
            route("pull-requests", "github.pull_request.events.*", "review"),
        ])
        .observer(move |event: &dispatch_adapters::Event<'_>| {
            if let dispatch_adapters::Event::Completed { result } = event {
                // The job keeps the other end until the engine has stopped.
                let _ = seen.send((*result).clone());
            }
        })
        .freeze()
}
