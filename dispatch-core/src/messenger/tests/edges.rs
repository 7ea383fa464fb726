use super::*;

/// Objects in each other, so many of them.
fn nested(levels: usize) -> Map<String, Value> {
    let inner = (1..levels).fold(Value::Null, |inner, _| json!({ "in": inner }));
    json!({ "in": inner }).as_object().cloned().unwrap()
}

#[test]
fn the_deepest_message_that_is_taken_can_be_read_back_and_a_deeper_one_could_not() {
    for (levels, is_readable) in [(QueuedMessage::DEEPEST, true), (QueuedMessage::DEEPEST + 1, false)] {
        for in_payload in [true, false] {
            let mut queued = plan(&message("Ping"), &DispatchOptions::default()).unwrap().remove(0);
            *(if in_payload { &mut queued.payload } else { &mut queued.metadata }) = nested(levels);
            let text = serde_json::to_string(&queued).unwrap();
            assert_eq!(serde_json::from_str::<QueuedMessage>(&text).is_ok(), is_readable);
            assert_eq!(queued.check_nesting().is_ok(), is_readable);
        }
    }
    let arrays = (1..QueuedMessage::DEEPEST + 1).fold(json!(1), |inner, _| json!([inner]));
    let payload = Map::from_iter([("in".to_owned(), arrays)]);
    assert!(QueuedMessage::check_payload(&payload).is_err(), "arrays count, too");
    assert!(QueuedMessage::check_payload(&Map::new()).is_ok());
}

#[test]
fn what_is_nested_too_deep_is_refused_with_everything_else_that_is_wrong() {
    let deep = nested(QueuedMessage::DEEPEST + 1);
    let message = Message { payload: deep.clone(), metadata: deep.clone(), ..message("Ping") };
    let options = DispatchOptions { metadata: deep, ..DispatchOptions::default() }.with_priority(0);
    let error = plan(&message, &options).unwrap_err();
    assert_eq!(error.code(), MessengerErrorCode::MessageValidation);
    insta::assert_snapshot!(error.problems().join("\n"), @r"
    priority is 0: use 1 to 10
    the metadata is nested more than 126 levels deep: use fewer levels
    the payload is nested more than 126 levels deep: use fewer levels
    ");
}

#[test]
fn times_that_cannot_be_written_are_refused_and_the_last_one_is_not() {
    let last = SystemTime::from("9999-12-30T22:00:00Z".parse::<jiff::Timestamp>().unwrap());
    let longest = last.duration_since(now()).unwrap();
    let queued = plan(&message("Ping"), &DispatchOptions::default().with_delay(longest)).unwrap().remove(0);
    assert_eq!((queued.scheduled_at, queued.available_at), (Some(last), last));

    let day = Duration::from_secs(86_400);
    let too_long = [longest + 2 * day, Duration::from_millis(u64::MAX), Duration::MAX];
    for delay in too_long {
        let error = plan(&message("Ping"), &DispatchOptions::default().with_delay(delay)).unwrap_err();
        assert_eq!(error.code(), MessengerErrorCode::MessageValidation, "{delay:?}");
        assert!(error.to_string().contains("delay is ") && error.to_string().contains("after the year 9999"));
    }
    for ttl in too_long {
        let options = DispatchOptions { ttl: Some(ttl), ..DispatchOptions::default() };
        let error = plan(&message("Ping"), &options).unwrap_err();
        assert!(error.problems()[0].starts_with("ttl is "), "{error}");
    }
    let late = DispatchOptions { ttl: Some(2 * day), ..DispatchOptions::default() }.at(last);
    assert!(plan(&message("Ping"), &late).is_err(), "a ttl begins when the message is due");
}

#[test]
fn a_window_without_an_end_is_a_problem_of_the_configuration() {
    for (window, is_fine) in [(Duration::from_secs(100 * 366 * 86_400), true), (Duration::MAX, false)] {
        let config = MessengerConfig { dedup_window: window, ..config() };
        assert_eq!(config.check().is_ok(), is_fine, "{window:?}");
    }
}

/// A worker would find nobody for them, and they would have failed for good.
#[test]
fn what_makes_no_topic_of_a_command_is_refused_before_anything_is_stored() {
    for (kind, queue) in
        [("Ping", "events"), ("Ping", "Events"), ("Order.events.Placed", "a"), ("a.", "a"), ("A..b", "a")]
    {
        let options = DispatchOptions { queue: Some(queue.to_owned()), ..DispatchOptions::default() };
        let error = plan(&message(kind), &options).unwrap_err();
        assert_eq!(error.code(), MessengerErrorCode::MessageValidation);
        assert!(error.to_string().contains("or give the type a topic of its own"), "{error}");
    }
    let own =
        |topic: &str| MessengerConfig { topics: [("A..b".to_owned(), topic.to_owned())].into(), ..config() };
    let routing = own("shop.orders.events").check().unwrap();
    assert!(routing.plan(&message("A..b"), &DispatchOptions::default(), now(), Uuid::now_v7).is_ok());
    let error = own("shop.orders").check().unwrap_err();
    assert!(error.to_string().contains("'shop.orders' has no category"), "{error}");

    let events = MessengerConfig { default_queue: "events".to_owned(), ..config() };
    let error = events.check().unwrap_err();
    assert!(error.problems()[0].starts_with("default_queue: name 'events': topics with this"), "{error}");
    let intents = MessengerConfig { default_queue: "intents".to_owned(), ..config() };
    let routing = intents.check().unwrap();
    assert!(routing.plan(&message("cmd.evt"), &DispatchOptions::default(), now(), Uuid::now_v7).is_ok());
}
