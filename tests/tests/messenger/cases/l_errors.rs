//! L: the codes of errors.

use dispatch_core::messenger::MessengerErrorCode;

#[test]
fn l1_l2_l3_l4_l5_l6_l7_l8_codes_are_stable() {
    let codes = [
        ("L1", MessengerErrorCode::MessageValidation, "MESSAGE_VALIDATION_ERROR"),
        ("L2", MessengerErrorCode::Transport, "TRANSPORT_ERROR"),
        ("L3", MessengerErrorCode::Handler, "HANDLER_ERROR"),
        ("L4", MessengerErrorCode::RetryStrategy, "RETRY_STRATEGY_ERROR"),
        ("L5", MessengerErrorCode::Scheduler, "SCHEDULER_ERROR"),
        ("L6", MessengerErrorCode::Configuration, "CONFIGURATION_ERROR"),
        ("L7", MessengerErrorCode::Serialization, "SERIALIZATION_ERROR"),
        ("L8", MessengerErrorCode::Lock, "LOCK_ERROR"),
    ];
    for (id, code, text) in codes {
        assert_eq!((code.as_str(), code.to_string().as_str()), (text, text), "{id}");
        assert_eq!(serde_json::to_value(code).unwrap(), text, "{id}");
    }
}
