//! Files of a workspace on their way to a directory of ours: unpacked while they come, whole by the digest behind them, and
//! only then where they are wanted.

use std::io::{self, Read};
use std::path::Path;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;

use super::keeper::Said;
use crate::backend::Fetched;
use crate::backend::archive::{Failed, drafted, unpack};
use crate::base::archive::Limits;
use crate::base::awake::timeout;
use crate::event::Stream;
use crate::helper::protocol::{LEFT_OUT, LEFT_OUT_IN_ALL, NOT_PACKED};

/// How long nothing may come.
const STALLED: Duration = Duration::from_mins(2);
/// Pieces that wait to be unpacked.
const BACKLOG: usize = 4;
/// More than all paths that are said of what was left out.
const MOST_SAID: usize = 1 << 20;
/// Bytes of a digest.
const DIGEST: usize = 32;

/// Takes what the helper packs to `into`; and whether anything has come at all.
pub(super) async fn receive(mut said: Said, into: &Path, limits: Limits) -> (Result<Fetched, Failed>, bool) {
    let (to, from) = mpsc::channel(BACKLOG);
    let into = into.to_owned();
    let unpacking = tokio::task::spawn_blocking(move || {
        let mut arriving =
            Arriving { from, ready: Bytes::new(), last: BytesMut::new(), digest: Sha256::new() };
        drafted(&into, |draft| {
            let fetched = unpack(&mut arriving, draft, &limits)?;
            let cut = || Failed::Cut("it broke off".to_owned());
            arriving.is_whole().then_some(fetched).ok_or_else(cut)
        })
    });
    let (mut words, mut came, mut is_silent) = (Vec::new(), false, false);
    loop {
        match timeout(STALLED, said.next()).await {
            Ok(Some((Stream::Stdout, bytes))) => {
                came = true;
                // Who takes no more knows why.
                if to.send(bytes).await.is_err() {
                    break;
                }
            }
            Ok(Some((Stream::Stderr, bytes))) => {
                let room = MOST_SAID.saturating_sub(words.len());
                words.extend_from_slice(bytes.get(..room).unwrap_or(&bytes));
            }
            Ok(None) => break,
            Err(_) => {
                is_silent = true;
                break;
            }
        }
    }
    drop((to, said));
    let unpacked = unpacking.await;
    let unpacked = unpacked.unwrap_or_else(|_| Err(Failed::ForGood("unpacking it broke down".to_owned())));
    let (told, why) = understood(&words);
    let fetched = match (unpacked, why) {
        (Ok(found), _) => Ok(Fetched { entries: found.entries, bytes: found.bytes, ..told }),
        (Err(_), Some(why)) => Err(Failed::ForGood(why)),
        (Err(Failed::Cut(_)), None) if is_silent => {
            Err(Failed::Cut(format!("nothing came for {} s", STALLED.as_secs())))
        }
        (Err(failed), None) => Err(failed),
    };
    (fetched, came)
}

/// What the helper said of what it left out, and why it gave up, if it did.
fn understood(words: &[u8]) -> (Fetched, Option<String>) {
    let (mut told, mut why) = (Fetched::default(), None);
    for word in words.split(|byte| *byte == 0) {
        let Some((kind, text)) = word.split_first() else { continue };
        let text = String::from_utf8_lossy(text).into_owned();
        match *kind {
            LEFT_OUT => told.left_out.push(text),
            LEFT_OUT_IN_ALL => told.left_out_in_all = text.parse().unwrap_or_default(),
            NOT_PACKED => why = Some(text),
            _ => {}
        }
    }
    (told, why)
}

/// An archive that comes in pieces, without the digest behind it.
struct Arriving {
    from: mpsc::Receiver<Bytes>,
    /// What may be read.
    ready: Bytes,
    /// The last that came, which may be the digest.
    last: BytesMut,
    digest: Sha256,
}

impl Arriving {
    /// Whether what was read is what was sent.
    fn is_whole(&mut self) -> bool {
        self.digest.finalize_reset().as_slice() == &*self.last
    }
}

impl Read for Arriving {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.ready.is_empty() {
            let Some(piece) = self.from.blocking_recv() else { return Ok(0) };
            self.last.extend_from_slice(&piece);
            let more = self.last.len().saturating_sub(DIGEST);
            self.ready = self.last.split_to(more).freeze();
            self.digest.update(&self.ready);
        }
        let count = buffer.len().min(self.ready.len());
        let piece = self.ready.split_to(count);
        if let Some(buffer) = buffer.get_mut(..count) {
            buffer.copy_from_slice(&piece);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    /// What the helper says of two files: on standard output, and on standard error.
    fn packed() -> (Vec<u8>, Vec<u8>) {
        let mut archive = tar::Builder::new(Vec::new());
        for (path, content) in [("a", "first".repeat(1000)), ("b/c", "second".to_owned())] {
            let mut header = tar::Header::new_gnu();
            header.set_mode(0o644);
            header.set_size(content.len() as u64);
            archive.append_data(&mut header, path, content.as_bytes()).expect("memory takes it");
        }
        let mut archive = archive.into_inner().expect("memory takes it");
        let digest = Sha256::digest(&archive);
        archive.extend_from_slice(&digest);
        (archive, b"lout\0n1\0".to_vec())
    }

    async fn arrive(out: &[u8], err: &[u8], into: &Path) -> Result<Fetched, Failed> {
        let out = out.chunks(700).map(|piece| (Stream::Stdout, Bytes::copy_from_slice(piece)));
        let err = err.chunks(3).map(|piece| (Stream::Stderr, Bytes::copy_from_slice(piece)));
        let said: Vec<_> = err.chain(out).collect();
        receive(stream::iter(said).boxed(), into, Limits::default()).await.0
    }

    #[tokio::test]
    async fn what_is_cut_anywhere_or_is_not_what_was_sent_leaves_nothing() {
        let place = tempfile::tempdir().expect("there is room");
        let into = place.path().join("here");
        let (out, err) = packed();
        for length in (0..out.len()).step_by(97).chain([out.len() - 1]) {
            let cut = arrive(&out[..length], &err, &into).await;
            assert!(matches!(cut, Err(Failed::Cut(_))), "{length}: {cut:?}");
        }
        for wrong in [600, 5500, out.len() - 1] {
            let mut out = out.clone();
            out[wrong] ^= 1;
            assert!(arrive(&out, &err, &into).await.is_err(), "{wrong}");
        }
        let why = arrive(&out[..512], b"lout\0ecannot read `b`: no\0", &into).await;
        assert_eq!(why, Err(Failed::ForGood("cannot read `b`: no".to_owned())));
        assert_eq!(std::fs::read_dir(place.path()).expect("it is there").count(), 0);

        let fetched = arrive(&out, &err, &into).await.expect("it is whole");
        let told = (fetched.entries, fetched.bytes, fetched.left_out, fetched.left_out_in_all);
        assert_eq!(told, (2, 5006, vec!["out".to_owned()], 1));
        assert_eq!(std::fs::read(into.join("b/c")).expect("it has come"), b"second");
        // What is there already is never replaced.
        assert!(matches!(arrive(&out, &err, &into).await, Err(Failed::ForGood(_))));
    }
}
