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

/// Bytes that are kept of each stream.
pub const KEPT: usize = 256 * 1024;
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
        self.text_since(0)
    }

    /// How much has come so far.
    pub fn mark(&self) -> u64 {
        self.kept().total
    }

    /// What is kept of what has come since, as text.
    pub fn text_since(&self, mark: u64) -> String {
        let tail = self.kept();
        let since = usize::try_from(tail.total.saturating_sub(mark)).unwrap_or(usize::MAX);
        let begin = tail.bytes.len().saturating_sub(since);
        let bytes: Vec<u8> = tail.bytes.range(begin..).copied().collect();
        String::from_utf8_lossy(&bytes).into_owned()
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
        for i in 0..100_000 {
            tail.push(format!("line {i}\n").as_bytes());
        }
        assert_eq!(tail.text().len(), KEPT);
        assert_eq!(tail.last_lines(2), "line 99998\nline 99999");
        let mark = tail.mark();
        assert_eq!(tail.text_since(mark), "");
        tail.push(b"news\n");
        assert_eq!(tail.text_since(mark), "news\n");
        assert_eq!(tail.text_since(0), tail.text(), "what is gone is gone");
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
