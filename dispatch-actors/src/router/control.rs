//! What a router does beside routing: reload, explanation, supervision, the end.

use std::rc::Rc;
use std::time::Duration;

use actix::prelude::*;
use dispatch_metrics::DispatchMetrics;
use tokio::sync::oneshot;

use super::actor::Router;
use super::protocol::{AskChildren, AskRoster, AskTable, Roster, Shutdown, Stop, Swap};
use crate::aggregator;
use crate::collector;
use crate::dispatcher::{Abandon, AskCondition, Condition};
use crate::engine::{Blueprint, ReloadReport, ShutdownReport};
use crate::observer::Event;
use crate::supervision::{Child, ChildKind, ChildState};

impl Handler<AskTable> for Router {
    type Result = MessageResult<AskTable>;

    fn handle(&mut self, _: AskTable, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.resolver.table())
    }
}

impl Handler<AskRoster> for Router {
    type Result = MessageResult<AskRoster>;

    fn handle(&mut self, _: AskRoster, _: &mut Self::Context) -> Self::Result {
        let dispatchers =
            self.children.running.iter().map(|(id, running)| (id.clone(), running.spec.clone())).collect();
        let pools = self.children.nursery.pool_sizes.clone();
        MessageResult(Roster { version: self.version, dispatchers, pools })
    }
}

impl Handler<Swap> for Router {
    type Result = MessageResult<Swap>;

    fn handle(&mut self, Swap { version, blueprint }: Swap, _: &mut Self::Context) -> Self::Result {
        if version != self.version || self.stopping {
            return MessageResult(Err(blueprint));
        }
        let Blueprint { config, table, registrations } = *blueprint;
        let adopted = self.children.adopt(registrations, &config);
        self.resolver.swap(table, adopted.links);
        self.shard.admission.set_max(config.max_in_flight);
        self.shard.timeout.set(config.timeout);
        if let Some(watchdog) = &self.children.nursery.watchdog {
            watchdog.set_timeout(config.timeout);
        }
        self.version += 1;
        let report = ReloadReport {
            version: self.version,
            started: adopted.started,
            kept: adopted.kept,
            retired: adopted.retired,
        };
        self.observers.borrow_mut().notify(&Event::Reloaded { report: &report });
        MessageResult(Ok(report))
    }
}

impl Handler<AskChildren> for Router {
    type Result = ResponseFuture<Vec<Child>>;

    fn handle(&mut self, _: AskChildren, _: &mut Self::Context) -> Self::Result {
        let asked: Vec<_> = self
            .children
            .running
            .iter()
            .map(|(id, running)| (id.clone(), running.kind, running.address.send(AskCondition)))
            .collect();
        let snapshot = self.children.nursery.collector.send(collector::Snapshot);
        Box::pin(async move {
            let metrics = snapshot.await.ok();
            let part = |id: &str| Child {
                id: id.to_owned(),
                kind: ChildKind::Engine,
                state: ChildState::Up,
                restarts: 0,
                strategy: ChildKind::Engine.strategy(),
            };
            let mut children = vec![part("router"), part("aggregator"), part("collector")];
            for (id, kind, asked) in asked {
                let state = match asked.await {
                    Ok(Condition::Up) => ChildState::Up,
                    Ok(Condition::Restarting) => ChildState::Restarting,
                    Ok(Condition::Down) | Err(_) => ChildState::Down,
                };
                let of =
                    |metrics: &DispatchMetrics| metrics.dispatcher(id.as_str()).map(|own| own.restart_count);
                let restarts = metrics.as_ref().and_then(of).unwrap_or_default();
                children.push(Child { id: id.to_string(), kind, state, restarts, strategy: kind.strategy() });
            }
            children
        })
    }
}

/// How long abandoned work may take to reach its callers.
const LAST_WORDS: Duration = Duration::from_secs(1);

impl Handler<Shutdown> for Router {
    type Result = ();

    fn handle(&mut self, Shutdown { deadline, reply }: Shutdown, ctx: &mut Self::Context) {
        let (shard, router) = (self.shard.clone(), ctx.address());
        let children: Vec<_> = self.children.all().collect();
        // From here on no reload changes who the children are.
        self.stopping = true;
        let collector = self.children.nursery.collector.clone();
        let aggregator = self.aggregator.clone();
        let begun = shard.clock.now();
        let observers = Rc::clone(&self.observers);
        observers.borrow_mut().notify(&Event::Stopping { in_flight: shard.admission.in_flight() });
        actix::spawn(async move {
            let idle = shard.admission.idle();
            let finished = match deadline {
                Some(deadline) => tokio::time::timeout(deadline, idle).await.is_ok(),
                None => {
                    idle.await;
                    true
                }
            };
            let abandoned = if finished { 0 } else { shard.admission.in_flight() };
            let mut abandoned_by_dispatcher = Vec::new();
            for (link, address) in children {
                if link.in_flight() > 0 {
                    abandoned_by_dispatcher.push((link.id.clone(), link.in_flight()));
                }
                // A dispatcher that is gone has nothing to abandon.
                let _ = address.send(Abandon).await;
            }
            if !finished {
                let _ = aggregator.send(aggregator::GiveUp).await;
                let _ = tokio::time::timeout(LAST_WORDS, shard.admission.idle()).await;
            }
            let metrics = collector.send(collector::Snapshot).await.ok();
            aggregator.do_send(aggregator::Stop);
            collector.do_send(collector::Stop);
            let elapsed = shard.clock.now().since(begun);
            let report = ShutdownReport { abandoned, abandoned_by_dispatcher, elapsed, metrics };
            observers.borrow_mut().notify(&Event::Stopped { report: &report });
            answer(reply, report);
            router.do_send(Stop);
        });
    }
}

fn answer(reply: Option<oneshot::Sender<ShutdownReport>>, report: ShutdownReport) {
    if let Some(reply) = reply {
        // Whoever asked may have given up.
        let _ = reply.send(report);
    }
}

impl Handler<Stop> for Router {
    type Result = ();

    fn handle(&mut self, _: Stop, ctx: &mut Self::Context) {
        ctx.stop();
    }
}
