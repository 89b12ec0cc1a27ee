//! What a child process prints, bounded: the last part is kept for error reports and for the search for personal data.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use regex::Regex;
use tokio::{
    io::{AsyncRead, AsyncReadExt},
    sync::watch,
    task::JoinHandle,
};

/// Bytes that are kept of each stream: what many cases at the same time make a talkative relay print.
pub const KEPT: usize = 4 * 1024 * 1024;
/// Of them, bytes from before a mark that are looked at again.
const EARLIER: usize = 256 * 1024;
/// Longest line that is searched for the ready line.
const LINE_LIMIT: usize = 8 * 1024;

/// One stream's last bytes.
#[derive(Debug, Clone, Default)]
pub struct Tail(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: VecDeque<u8>,
    /// All that came.
    total: u64,
}

/// Output of a stream before and after a mark.
#[derive(Debug, Clone, Default)]
pub struct Around {
    /// The end of what came before.
    pub before: String,
    /// What has come since; only the end of it if there was too much to keep.
    pub since: String,
    /// Nothing of `since` is missing.
    pub is_whole: bool,
}

impl Tail {
    fn push(&self, bytes: &[u8]) {
        let mut tail = self.kept();
        tail.total += bytes.len() as u64;
        let kept = &mut tail.bytes;
        let bytes = bytes.get(bytes.len().saturating_sub(KEPT)..).unwrap_or_default();
        let excess = (kept.len() + bytes.len()).saturating_sub(KEPT);
        kept.drain(..excess);
        kept.extend(bytes);
    }

    /// What is kept, as text.
    pub fn text(&self) -> String {
        self.around(0).since
    }

    /// How much has come so far.
    pub fn mark(&self) -> u64 {
        self.kept().total
    }

    /// What has come since a mark, and the end of what came before it.
    pub fn around(&self, mark: u64) -> Around {
        let tail = self.kept();
        let came = usize::try_from(tail.total.saturating_sub(mark)).unwrap_or(usize::MAX);
        let begin = tail.bytes.len().saturating_sub(came);
        let text = |range: std::ops::Range<usize>| {
            let bytes: Vec<u8> = tail.bytes.range(range).copied().collect();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Around {
            before: text(begin.saturating_sub(EARLIER)..begin),
            since: text(begin..tail.bytes.len()),
            is_whole: came <= tail.bytes.len(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last few lines, for error messages.
    pub fn last_lines(&self, count: usize) -> String {
        let text = self.text();
        let lines: Vec<&str> = text.lines().collect();
        lines.get(lines.len().saturating_sub(count)..).unwrap_or_default().join("\n")
    }
}

/// Reads a stream to its end. The first line that matches hands its group 1 to `found`.
pub(super) fn follow(
    mut stream: impl AsyncRead + Unpin + Send + 'static,
    tail: Tail,
    line: Option<(Regex, watch::Sender<Option<String>>)>,
) -> JoinHandle<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it ends with the pipe, whose process its owner stops"
    )]
    tokio::spawn(async move {
        let mut line = line;
        let mut current = Vec::new();
        let mut buffer = vec![0; 16 * 1024];
        while let Ok(count) = stream.read(&mut buffer).await {
            let Some(bytes) = buffer.get(..count).filter(|bytes| !bytes.is_empty()) else { break };
            tail.push(bytes);
            let Some((regex, found)) = &line else { continue };
            let mut hit = None;
            for byte in bytes {
                if *byte != b'\n' {
                    if current.len() < LINE_LIMIT {
                        current.push(*byte);
                    }
                    continue;
                }
                let text = String::from_utf8_lossy(&current);
                hit = hit.or_else(|| Some(regex.captures(&text)?.get(1)?.as_str().to_owned()));
                current.clear();
            }
            if hit.is_some() {
                found.send_replace(hit);
                line = None;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_the_last_bytes_are_kept() {
        let tail = Tail::default();
        for i in 0..500_000 {
            tail.push(format!("line {i}\n").as_bytes());
        }
        assert_eq!(tail.text().len(), KEPT);
        assert_eq!(tail.last_lines(2), "line 499998\nline 499999");
        let mark = tail.mark();
        assert_eq!(tail.around(mark).since, "");
        tail.push(b"news\n");
        let around = tail.around(mark);
        assert_eq!((around.since.as_str(), around.is_whole), ("news\n", true));
        assert!(around.before.len() == EARLIER && around.before.ends_with("line 499999\n"));
        let all = tail.around(0);
        assert!(all.since == tail.text() && !all.is_whole, "what is gone is gone, and said to be");
        tail.push(&vec![b'x'; 2 * KEPT]);
        assert_eq!(tail.text(), "x".repeat(KEPT));
    }

    #[tokio::test]
    async fn the_ready_line_is_found_across_reads() {
        let (found, mut seen) = watch::channel(None);
        let tail = Tail::default();
        let regex = Regex::new(r"listening on (http://\S+)").unwrap();
        let (mut writer, reader) = tokio::io::duplex(4);
        let task = follow(reader, tail.clone(), Some((regex, found)));
        use tokio::io::AsyncWriteExt as _;
        writer.write_all(b"starting\nlistening on http://127.0.0.1:1\nmore\n").await.unwrap();
        let url = seen.wait_for(Option::is_some).await.unwrap().clone();
        drop(writer);
        task.await.unwrap();
        assert_eq!(url.as_deref(), Some("http://127.0.0.1:1"));
        assert!(tail.text().ends_with("more\n"));
    }
}
