//! Failed messages of a file as dead letters, those that cannot be read among them.

use dispatch_adapters::DeadLetters;
use dispatch_adapters::messenger::{
    self, DispatchOptions, Filter, MemoryQueue, Message, Messenger, Page, WorkerConfig,
};
use dispatch_adapters::model::{Adapter, DeadLetter, DeadLetterOrigin, Payload};
use dispatch_adapters::prelude::*;
use serde_json::json;

use crate::support::file;

fn message(number: u64) -> Message {
    Message::new("SendMail", &json!({ "number": number })).unwrap()
}

/// An engine that can handle no message.
fn engine() -> Engine {
    let mail = on_command("mail")
        .run(|_: Envelope| async { Err::<(), _>(DispatcherError::msg("no such address").unrecoverable()) });
    let route = Route::new("mail", "messenger.**", Category::Command, "mail");
    Engine::builder().dispatcher(mail).route(route).freeze().unwrap()
}

#[actix::test]
async fn what_cannot_be_read_is_told_as_it_is_stored_and_all_of_it_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let archive = Messenger::builder().transport("default", MemoryQueue::new("default")).build().unwrap();
    let letters = DeadLetters::to([archive.adapter()]).unwrap();
    let open = || messenger::builder(folder.path()).name("shop").dead_letters(letters.clone()).open();
    let mails = open().await.unwrap();
    let damaged = mails.dispatch(message(1)).await.unwrap()[0].id;
    let helpless = mails.dispatch(message(2)).await.unwrap()[0].id;
    let change = "UPDATE dispatch_message SET body = CAST('{ \"number\"' AS BLOB) WHERE id = ?";
    assert_eq!(file(&folder).execute(change, [damaged.into_bytes()]).unwrap(), 1);

    let config = WorkerConfig { max_messages: Some(1), ..WorkerConfig::default() };
    let worker = mails.work(&engine(), config).unwrap();
    let report = worker.ended().await.unwrap();
    assert_eq!(
        (report.unreadable, report.failed, report.untold),
        (1, 1, 0),
        "both were told before it ended"
    );
    assert!(letters.close(std::time::Duration::from_secs(10)).await.is_complete());

    let stored = archive.list("default", &Filter::all(), Page::first(10)).await.unwrap();
    let told = stored.iter().map(|stored| stored.message().unwrap().to_envelope());
    let mut told: Vec<_> = told.map(|envelope| DeadLetter::from_envelope(&envelope).unwrap()).collect();
    told.sort_by_key(|letter| letter.envelope.id());
    let shown: Vec<_> = told.iter().map(|letter| (letter.envelope.id(), &*letter.kind)).collect();
    assert_eq!(shown, [(damaged, "unreadable"), (helpless, "unrecoverable")]);
    let (body, _) = told[0].envelope.raw_payload().to_bytes().unwrap();
    assert_eq!(&*body, b"{ \"number\"", "nothing of it is lost");
    let DeadLetterOrigin::Message { transport, message_type, .. } = &told[0].origin else { panic!() };
    assert_eq!((&**transport, message_type), ("default", &None));

    mails.close().await.unwrap();
    let again = open().await.unwrap();
    let mut listed = again.failed("default", &Filter::all(), Page::first(10)).await.unwrap();
    listed.sort_by_key(|letter| letter.envelope.id());
    let same = |letter: &DeadLetter| serde_json::to_value(letter).unwrap();
    let told: Vec<_> = told.iter().map(|letter| same(letter)).collect();
    assert_eq!(listed.iter().map(same).collect::<Vec<_>>(), told, "another process finds the same");
}

#[tokio::test]
async fn an_envelope_outlives_the_process_as_a_message() {
    let folder = tempfile::tempdir().unwrap();
    let first = messenger::open(folder.path()).await.unwrap();
    let picture = Envelope::new(Payload::bytes(vec![0, 255, 10], "image/png"))
        .with_message_type("Picture")
        .with_header("x-own", "1")
        .with_source("camera");
    first
        .adapter()
        .with_options(DispatchOptions::default().with_priority(7))
        .deliver(&picture)
        .await
        .unwrap();
    first.close().await.unwrap();
    let second = messenger::open(folder.path()).await.unwrap();
    let stored = second.list("default", &Filter::all(), Page::first(10)).await.unwrap();
    let back = stored[0].message().unwrap().to_envelope();
    assert_eq!(
        (back.id(), back.source(), back.created_at()),
        (picture.id(), Some("camera"), picture.created_at())
    );
    assert_eq!(back.raw_payload().to_bytes().unwrap(), picture.raw_payload().to_bytes().unwrap());
    assert_eq!(back.headers().get("x-own"), Some("1"));
}
