//! Changes of the configuration while a messenger is used.

use std::sync::{Arc, Mutex};

use dispatch_tests::support::paused;

use crate::support::{message, messenger};

#[test]
fn of_changes_at_the_same_time_none_is_lost_and_they_are_told_in_their_order() {
    const THREADS: i64 = 8;
    const CHANGES: i64 = 50;
    let messenger = messenger();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&seen);
    let _watch = messenger.on_change(move |old, new| {
        kept.lock().unwrap().push((old.routing.len(), new.routing.len()));
    });
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let messenger = messenger.clone();
            scope.spawn(move || {
                for change in 0..CHANGES {
                    let name = format!("T{thread}.{change}");
                    messenger
                        .update(|config| {
                            config.routing.insert(name.clone(), vec!["default".to_owned()]);
                        })
                        .unwrap();
                }
            });
        }
    });
    let count = usize::try_from(THREADS * CHANGES).unwrap();
    assert_eq!(messenger.config().routing.len(), count, "none is lost");
    let wanted: Vec<_> = (0..count).map(|number| (number, number + 1)).collect();
    assert_eq!(*seen.lock().unwrap(), wanted, "each is told once, in its order");
}

#[test]
fn whoever_is_told_may_change_the_configuration_and_watch() {
    paused(async {
        let messenger = messenger();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (kept, own) = (Arc::clone(&seen), messenger.clone());
        let watch = messenger.on_change(move |old, new| {
            kept.lock().unwrap().push((old.default_priority, new.default_priority));
            if new.default_priority < 9 {
                own.update(|config| config.default_priority += 1).unwrap();
            }
        });
        messenger.update(|config| config.default_priority = 7).unwrap();
        assert_eq!(*seen.lock().unwrap(), [(5, 7), (7, 8), (8, 9)]);
        assert_eq!(messenger.dispatch(message(1)).await.unwrap()[0].priority.get(), 9);

        // It may also end its own watch, and come back.
        drop(watch);
        let slot = Arc::new(Mutex::new(None));
        let (inner, calls) = (Arc::clone(&slot), Arc::new(Mutex::new(0)));
        let counted = Arc::clone(&calls);
        let once = messenger.on_change(move |_, _| {
            *counted.lock().unwrap() += 1;
            drop(inner.lock().unwrap().take());
        });
        *slot.lock().unwrap() = Some(once);
        for priority in [1, 2, 3] {
            messenger.update(|config| config.default_priority = priority).unwrap();
        }
        assert_eq!((*calls.lock().unwrap(), seen.lock().unwrap().len()), (1, 3));
    });
}
