//! Reading a text file of which nothing is known: not even whether it ends.

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::Path,
};

/// A file that is no text within its bound.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is something else: a folder, a pipe or a device, which may never end.
    #[error("is {0}")]
    NoFile(&'static str),
    /// It is longer than it may be.
    #[error("{length} bytes long; at most {limit} are allowed")]
    TooLong {
        /// Its bytes, as far as they were counted.
        length: u64,
        /// How many are allowed.
        limit: u64,
    },
    /// It is no UTF-8.
    #[error("the text is not UTF-8 from byte {valid} on")]
    NoText {
        /// What was read.
        bytes: Vec<u8>,
        /// Bytes before the first that does not belong.
        valid: usize,
    },
}

/// The text of a file of at most `limit` bytes.
///
/// # Errors
/// See [`ReadError`].
pub(crate) fn read(path: &Path, limit: u64) -> Result<String, ReadError> {
    let meta = fs::metadata(path)?;
    if meta.is_dir() {
        return Err(ReadError::NoFile("a folder"));
    }
    // Opening a pipe waits for somebody to write into it.
    if !meta.is_file() {
        return Err(ReadError::NoFile("no ordinary file"));
    }
    let expected = usize::try_from(meta.len().min(limit)).unwrap_or_default();
    let mut bytes = Vec::with_capacity(expected + 1);
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    let length = meta.len().max(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    if length > limit {
        return Err(ReadError::TooLong { length, limit });
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        ReadError::NoText { bytes: error.into_bytes(), valid }
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        fs::write(&path, "äb").unwrap();
        assert_eq!(read(&path, 3).unwrap(), "äb");
        let long = read(&path, 2).unwrap_err();
        assert!(matches!(long, ReadError::TooLong { length: 3, limit: 2 }), "{long}");
        fs::write(&path, b"a\xff").unwrap();
        assert!(matches!(read(&path, 3), Err(ReadError::NoText { valid: 1, .. })));
    }

    #[test]
    fn what_is_no_file_is_refused_and_not_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(read(dir.path(), 9), Err(ReadError::NoFile("a folder"))));
        // Neither ends: the one never stops, the other never begins.
        let pipe = dir.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&pipe).status().unwrap();
        assert!(made.success());
        for endless in [Path::new("/dev/zero"), pipe.as_path()] {
            assert!(matches!(read(endless, 9), Err(ReadError::NoFile("no ordinary file"))));
        }
        assert!(matches!(read(&dir.path().join("none"), 9), Err(ReadError::Unreadable(_))));
    }
}
