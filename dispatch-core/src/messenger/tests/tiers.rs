use super::*;

fn tiered(tiers: &Value) -> MessengerConfig {
    let over = json!({ "transports": { "slow": { "type": "memory" }, "fast": { "type": "memory" } }, "priority_tiers": tiers });
    config().set(&over).unwrap()
}

#[test]
fn tiers_are_shown_to_people() {
    let routing = tiered(&json!({ "low_transport": "slow", "high_transport": "fast" })).check().unwrap();
    insta::assert_snapshot!(routing.describe(), @r"
    type                           transport  queue    priority  retries  rate
    OrderPlaced                    main       default  5         3        -
    OrderPlaced                    mail       mail     7         3        -
    SendMail                       mail       mail     7         8        -
    (any other, priority 1 to 3)   slow       default  5         3        -
    (any other, priority 4 to 6)   main       default  5         3        -
    (any other, priority 7 to 10)  fast       default  5         3        -
    ");
    let narrow = tiered(&json!({ "low": 9, "high": 10, "low_transport": "slow" })).check().unwrap();
    let rows: Vec<_> = narrow.describe().lines().skip(4).map(str::to_owned).collect();
    assert_eq!(rows.len(), 2, "nothing is between 9 and 10: {rows:?}");

    let ping = MessageType::new("Ping").unwrap();
    let explained = [1, 5, 9]
        .map(|priority| routing.explain(&ping, &DispatchOptions::default().with_priority(priority)).unwrap());
    insta::assert_snapshot!("tiers", explained.join("\n"));
    let order = MessageType::new("OrderPlaced").unwrap();
    assert!(
        routing
            .explain(&order, &DispatchOptions::default().with_priority(9))
            .unwrap()
            .contains("has a route")
    );
}

#[test]
fn every_problem_of_tiers_is_named_at_once() {
    let problems = |tiers: &Value| tiered(tiers).check().unwrap_err().problems().join("\n");
    insta::assert_snapshot!(problems(&json!({ "low": 7, "high": 7, "low_transport": "nope" })), @r"
    priority_tiers: high is 7 and low is 7: high has to be above low
    priority_tiers: low_transport 'nope' is no transport: use one of fast, mail, main, slow
    ");
    insta::assert_snapshot!(problems(&json!({ "low": 0, "high": 11 })), @r"
    priority_tiers: high: priority is 11: use 1 to 10
    priority_tiers: low: priority is 0: use 1 to 10
    priority_tiers: no transport is named: name one, or leave the tiers out
    ");
    assert!(MessengerConfig::from_json(r#"{"priority_tiers": {"lowest": 1}}"#).is_err());
}

#[test]
fn tiers_are_set_member_by_member_and_taken_away_whole() {
    let config = tiered(&json!({ "low_transport": "slow" }));
    let changed = config.set(&json!({ "priority_tiers": { "high": 9, "high_transport": "fast" } })).unwrap();
    let tiers = changed.priority_tiers.as_ref().unwrap();
    assert_eq!((tiers.low, tiers.high, tiers.low_transport.as_deref()), (3, 9, Some("slow")));
    assert_eq!(MessengerConfig::from_json(&serde_json::to_string(&changed).unwrap()).unwrap(), changed);
    assert_eq!(changed.set(&json!({ "priority_tiers": null })).unwrap().priority_tiers, None);
}
