//! Reading a text file of which nothing is known: not even whether it ends.

use std::{
    fs::File,
    io::{self, Read as _},
    path::Path,
};

/// The text of a file; `None` if it is longer than `limit` bytes.
///
/// # Errors
/// If it cannot be read, or is no UTF-8.
pub(crate) fn read(path: &Path, limit: u64) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(limit.saturating_add(1)).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length <= limit) {
        String::from_utf8(bytes).map(Some).map_err(|error| {
            io::Error::new(io::ErrorKind::InvalidData, format!("no UTF-8: {}", error.utf8_error()))
        })
    } else {
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "äb").unwrap();
        assert_eq!(read(&path, 3).unwrap().as_deref(), Some("äb"));
        assert_eq!(read(&path, 2).unwrap(), None);
        std::fs::write(&path, b"\xff").unwrap();
        assert_eq!(read(&path, 3).unwrap_err().kind(), io::ErrorKind::InvalidData);
        // Never ends.
        assert_eq!(read(Path::new("/dev/zero"), 100).unwrap(), None);
    }
}
