use super::talk::{Checked, Talk};
use crate::conformance::{Findings, join};
use crate::messenger::DispatchOptions;
use crate::queue::Outcome;

use std::future::Future;
use std::pin::Pin;

type Waiting<'a> = Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

pub(super) async fn before(talk: &Talk, found: &mut Findings) -> Checked {
    let seen = talk.claim("one", "wake", 1).await?.seen;
    let id = talk.put("wake", DispatchOptions::default()).await?;
    // It would wait for ever if what came before were not seen.
    let next = talk.queue.wait(seen).await?;
    found.expect(next != seen, || "nothing has changed".to_owned());
    talk.queue.cancel(&[id]).await?;
    Ok(())
}

pub(super) async fn woken(talk: &Talk, _: &mut Findings) -> Checked {
    let seen = talk.claim("one", "wake", 1).await?.seen;
    let waiting: Waiting<'_> = Box::pin(async { talk.queue.wait(seen).await.map(drop) });
    let storing: Waiting<'_> =
        Box::pin(async { talk.put("wake", DispatchOptions::default()).await.map(drop) });
    join([waiting, storing]).await.into_iter().collect::<Checked>()?;
    let leased = talk.claim_one("one", "wake").await?;
    let seen = talk.claim("one", "wake", 1).await?.seen;
    let waiting: Waiting<'_> = Box::pin(async { talk.queue.wait(seen).await.map(drop) });
    let settling: Waiting<'_> = Box::pin(talk.settle(&leased.token, Outcome::Release { at: None }));
    join([waiting, settling]).await.into_iter().collect::<Checked>()?;
    talk.queue.cancel(&[leased.token.id]).await?;
    Ok(())
}
