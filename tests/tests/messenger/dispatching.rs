use std::sync::Arc;
use std::time::Duration;

use dispatch_actors::messenger::Messenger;
use dispatch_core::messenger::{DispatchOptions, Duplicates, Message, MessengerErrorCode};
use dispatch_core::queue::MessageQueue;
use dispatch_tests::support::paused;
use serde_json::json;

use crate::support::{Seen, clock, config, engine, message, messenger, pass, queue, send, send_with, work};

#[test]
fn what_is_sent_is_handled_once_with_all_that_belongs_to_it() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let handler = seen.fine("mail");
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |_| ());
        for number in 0..20 {
            send(&messenger, number).await;
        }
        pass(1).await;
        assert_eq!(seen.numbers(), (0..20).collect::<Vec<_>>());
        let report = worker.drain(Duration::from_secs(1)).await.unwrap();
        assert_eq!((report.done, report.failed, report.is_clean()), (20, 0, true));
        assert_eq!(crate::support::depth(&messenger).await.open(), 0);
        assert_eq!(worker.ended().await.unwrap(), report, "its report stays");
        assert!(worker.info().await.is_err());
    });
}

#[test]
fn an_idle_worker_begins_at_once_with_what_comes() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |config| config.poll = Duration::from_secs(3_600));
        pass(10_000).await;
        send(&messenger, 1).await;
        pass(1_000).await;
        send_with(&messenger, 2, DispatchOptions::default().with_queue("another")).await;
        pass(1).await;
        assert_eq!(seen.times(), [10_000, 11_000]);
    });
}

#[test]
fn a_scheduled_message_begins_when_it_is_due_and_a_higher_priority_first() {
    paused(async {
        let (messenger, seen) = (messenger(), Seen::new());
        for (number, priority, delay) in [(1, 1, 0), (2, 10, 0), (3, 5, 0), (4, 10, 86_400_000)] {
            let delay = Duration::from_millis(delay);
            send_with(
                &messenger,
                number,
                DispatchOptions::default().with_priority(priority).with_delay(delay),
            )
            .await;
        }
        let engine = engine([("mail", seen.fine("mail"))]);
        let _worker = work(&messenger, &engine, |config| config.concurrency = 1);
        pass(86_400_001).await;
        assert_eq!(seen.numbers(), [2, 3, 1, 4]);
        assert_eq!(seen.times()[3], 86_400_000);
    });
}

/// B4, E9, E12: all transports of a route get it, with one correlation.
#[test]
fn b4_e9_e11_e12_a_message_goes_to_every_transport_of_its_route() {
    paused(async {
        let text = "default_transport = 'main'\n[transports.main]\ntype = 'memory'\n[transports.mail]\n\
                    type = 'memory'\nqueue = 'letters'\npriority = 7\n[routing]\nSendMail = ['main', 'mail']";
        let messenger = Messenger::builder()
            .config(config(text))
            .transport("main", queue("main"))
            .transport("mail", queue("mail"))
            .clock(Arc::new(clock()))
            .build()
            .unwrap();
        let sent = messenger.dispatch(message(1)).await.unwrap();
        let shown: Vec<_> = sent
            .iter()
            .map(|sent| (sent.transport.as_str(), sent.queue.as_str(), sent.priority.get()))
            .collect();
        assert_eq!(shown, [("main", "default", 5), ("mail", "letters", 7)]);
        assert_ne!(sent[0].id, sent[1].id);
        let mut correlations = Vec::new();
        for one in &sent {
            let (transport, stored) = messenger.show(one.id).await.unwrap().unwrap();
            assert_eq!(transport, one.transport.as_str());
            correlations.push(stored.message().unwrap().correlation_id);
        }
        assert_eq!(correlations[0], correlations[1]);

        let dispatched = messenger.dispatch_to(message(2), ["mail"]).await.unwrap();
        assert_eq!(dispatched.transports.len(), 1);
        let unknown = messenger.dispatch_to(message(2), ["mail", "nope"]).await.unwrap_err();
        assert_eq!(unknown.code(), MessengerErrorCode::Configuration);
        assert_eq!(messenger.queue("mail").unwrap().depth(None).await.unwrap().ready, 2, "nothing was sent");
        assert!(messenger.dispatch_to(message(2), [""; 0]).await.is_err());
    });
}

/// C11, E9: a transport that fails is named, and so are those that have it.
#[test]
fn c11_e9_what_a_transport_does_not_take_is_an_error_that_says_who_has_it() {
    paused(async {
        let text = "default_transport = 'main'\n[transports.main]\ntype = 'memory'\n[transports.mail]\n\
                    type = 'memory'\n[routing]\nSendMail = ['main', 'mail']";
        let closed = queue("mail");
        closed.close().await.unwrap();
        let messenger = Messenger::builder()
            .config(config(text))
            .transport("main", queue("main"))
            .transport("mail", closed)
            .build()
            .unwrap();
        let error = messenger.dispatch(message(1)).await.unwrap_err();
        assert_eq!(error.code(), MessengerErrorCode::Transport);
        let text = error.to_string();
        assert!(text.contains("transport 'mail'") && text.contains("transport 'main' has it as "), "{text}");
        let each = messenger.dispatch_to(message(2), ["mail", "main"]).await.unwrap();
        let each: Vec<_> = each.transports.iter().map(|(name, sent)| (name.as_str(), sent.is_ok())).collect();
        assert_eq!(each, [("mail", false), ("main", true)]);
    });
}

/// E2, E3, E4, E6: one result for each message, in their order.
#[test]
fn e1_e2_e3_e4_e6_e7_the_results_of_a_batch_are_those_of_its_messages() {
    paused(async {
        let messenger = messenger();
        let plain = DispatchOptions::default();
        let items = [
            (message(1), plain.clone()),
            (message(2), plain.clone().with_priority(99)),
            (message(3), plain.clone().with_transports(["nope"])),
            (message(4), plain.clone().with_idempotency_key("one")),
            (message(5), plain.clone().with_idempotency_key("one")),
        ];
        let result = messenger.dispatch_batch(items).await;
        let each: Vec<_> = result.results.iter().map(Result::is_ok).collect();
        assert_eq!(each, [true, false, false, true, true]);
        assert_eq!((result.succeeded(), result.failed()), (3, 2));
        let errors: Vec<_> = result.errors().map(|(place, error)| (place, error.code())).collect();
        assert_eq!(
            errors,
            [(1, MessengerErrorCode::MessageValidation), (2, MessengerErrorCode::Configuration)]
        );
        let first = result.results[3].as_ref().unwrap()[0].id;
        assert_eq!(result.results[4].as_ref().unwrap()[0].duplicate_of, Some(first));
        let nothing = messenger.dispatch_batch(Vec::<(Message, DispatchOptions)>::new()).await;
        assert!(nothing.results.is_empty());

        let many = messenger.dispatch_batch((0..1_700).map(|number| (message(number), plain.clone()))).await;
        assert_eq!(many.succeeded(), 1_700, "as many calls as it takes");
    });
}

/// D5, D9: keys, and what becomes of the second.
#[test]
fn d5_d9_a_key_makes_two_sends_one_for_as_long_as_it_is_remembered() {
    paused(async {
        let messenger = messenger();
        let keyed = DispatchOptions::default().with_idempotency_key("order-7");
        let first = send_with(&messenger, 1, keyed.clone()).await;
        let again = messenger.dispatch_with(message(2), &keyed).await.unwrap();
        assert_eq!((again[0].id, again[0].duplicate_of), (first, Some(first)));
        let rejecting = DispatchOptions { duplicates: Some(Duplicates::Reject), ..keyed.clone() };
        let rejected = messenger.dispatch_with(message(3), &rejecting).await.unwrap_err();
        assert_eq!(rejected.code(), MessengerErrorCode::MessageValidation);
        assert!(!rejected.to_string().contains("order-7"), "{rejected}");
        let replacing = DispatchOptions { duplicates: Some(Duplicates::Replace), ..keyed.clone() };
        let replaced = messenger.dispatch_with(message(4), &replacing).await.unwrap();
        assert_eq!(replaced[0].replaced, Some(first));
        pass(86_400_001).await;
        let later = messenger.dispatch_with(message(5), &keyed).await.unwrap();
        assert_eq!(later[0].duplicate_of, None, "the window is a day");
    });
}

/// B15, B16: a copy is checked, and put in place as a whole.
#[test]
fn b15_a_configuration_is_replaced_as_a_whole_or_not_at_all() {
    paused(async {
        let messenger = messenger();
        let before = messenger.config();
        let refused = messenger.update(|config| {
            config.routing.insert("SendMail".to_owned(), vec!["nope".to_owned()]);
            config.default_priority = 0;
        });
        assert_eq!(refused.unwrap_err().code(), MessengerErrorCode::Configuration);
        assert_eq!(messenger.config(), before);
        messenger.update(|config| config.default_priority = 9).unwrap();
        assert_eq!(messenger.dispatch(message(1)).await.unwrap()[0].priority.get(), 9);
        assert!(messenger.describe().contains("default"));
        let mail = "SendMail".parse().unwrap();
        assert!(messenger.explain(&mail, &DispatchOptions::default()).unwrap().contains("no route"));
    });
}

/// B8, B14: whatever is missing is said before anything starts.
#[test]
fn b8_b14_every_problem_is_said_at_once_before_anything_starts() {
    paused(async {
        let text = "default_transport = 'nope'\ndefault_priority = 11\n[transports.main]\ntype = 'memory'";
        let error = Messenger::builder()
            .config(config(text))
            .transport("mail", queue("mail"))
            .transport("mail", queue("mail"))
            .build()
            .unwrap_err();
        let shown: Vec<_> = error.problems().iter().flat_map(|text| text.split("; ")).collect();
        assert_eq!(shown.len(), 5, "{shown:#?}");
        let messenger = messenger();
        let engine = engine([]);
        let config = dispatch_core::messenger::WorkerConfig {
            transports: vec!["nope".to_owned()],
            ..Default::default()
        };
        assert_eq!(messenger.work(&engine, config).unwrap_err().code(), MessengerErrorCode::Configuration);
    });
}

#[test]
fn what_travels_with_a_message_reaches_its_handler() {
    paused(async {
        let messenger = messenger();
        let seen = Arc::new(std::sync::Mutex::new(None));
        let kept = Arc::clone(&seen);
        let handler = dispatch_actors::on_command("mail").run(move |envelope: dispatch_core::Envelope| {
            *kept.lock().unwrap() = Some(envelope);
            async {}
        });
        let engine = engine([("mail", handler)]);
        let worker = work(&messenger, &engine, |config| config.max_messages = Some(1));
        let message = Message::new("App.SendMail", &json!({ "to": "ann" })).unwrap().with_metadata("user", 7);
        let mut options = DispatchOptions::default();
        options.headers.insert("x-own".to_owned(), "value".to_owned());
        options.ordering_key = Some("ann".to_owned());
        let id = messenger.dispatch_with(message, &options).await.unwrap()[0].id;
        worker.ended().await.unwrap();
        let envelope = seen.lock().unwrap().take().unwrap();
        assert_eq!(envelope.id(), id);
        assert_eq!(envelope.topic().unwrap().as_str(), "messenger.default.commands.App.SendMail");
        assert_eq!(envelope.message_type_str(), "App.SendMail");
        assert_eq!(envelope.raw_payload().to_json().unwrap()["to"], "ann");
        let header = |name: &str| envelope.headers().get(name).map(str::to_owned);
        assert_eq!(header("x-own").as_deref(), Some("value"));
        assert_eq!(header("x-message-type").as_deref(), Some("App.SendMail"));
        assert_eq!(header("x-message-id"), Some(id.to_string()));
        assert_eq!(header("x-message-attempt").as_deref(), Some("1"));
        assert_eq!(envelope.metadata().get("user"), Some(&json!(7)));
        assert!(envelope.correlation_id().is_some());
    });
}
