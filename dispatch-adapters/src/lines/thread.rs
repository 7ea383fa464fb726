use std::io;

use tokio::sync::mpsc;

use super::{Fault, Piece, Sink};

/// Pieces that are committed together, at most.
const TOGETHER: usize = 256;

/// Starts the thread; it ends when nothing can be sent to it any more, and writes what it was sent before.
pub(super) fn start(name: &str, sink: impl Sink, pieces: mpsc::Receiver<Piece>) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(move || work(sink, pieces)).map(drop)
}

fn work(mut sink: impl Sink, mut pieces: mpsc::Receiver<Piece>) {
    while let Some(first) = pieces.blocking_recv() {
        let mut group = vec![first];
        while group.len() < TOGETHER
            && let Ok(piece) = pieces.try_recv()
        {
            group.push(piece);
        }
        let result = write(&mut sink, &group);
        for piece in group {
            // Whoever has given up does not want to know.
            let _ = piece.done.send(result.clone());
        }
    }
}

fn write(sink: &mut impl Sink, group: &[Piece]) -> Result<(), Fault> {
    let mut lines = group.iter().flat_map(|piece| &piece.lines);
    lines
        .try_for_each(|line| sink.write(line))
        .and_then(|()| sink.commit())
        .map_err(|error| sink.explain(&error))
}
