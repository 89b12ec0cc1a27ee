//! Bodies that come compressed, as Google's client libraries send them: the journal holds them as they would have come plain.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

/// What a compressed body comes to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Decoded {
    /// It is not compressed, not in a way that is known, or it is no such thing as its header says.
    No,
    /// All of it.
    Whole(Vec<u8>),
    /// Its first bytes, as many as were asked for: there are more.
    Longer(Vec<u8>),
}

/// Undoes `gzip` and `deflate`, up to `limit` bytes: a few kilobytes can hold gigabytes.
pub(super) fn decoded(coding: &str, bytes: &[u8], limit: usize) -> Decoded {
    let coding = coding.trim();
    if coding.eq_ignore_ascii_case("gzip") || coding.eq_ignore_ascii_case("x-gzip") {
        return read(MultiGzDecoder::new(bytes), limit);
    }
    if coding.eq_ignore_ascii_case("deflate") {
        // RFC 9110 means zlib's format; some send what is inside of it.
        return match read(ZlibDecoder::new(bytes), limit) {
            Decoded::No => read(DeflateDecoder::new(bytes), limit),
            decoded => decoded,
        };
    }
    Decoded::No
}

fn read(decoder: impl Read, limit: usize) -> Decoded {
    let mut text = Vec::new();
    let most = u64::try_from(limit).unwrap_or(u64::MAX).saturating_add(1);
    if decoder.take(most).read_to_end(&mut text).is_err() {
        return Decoded::No;
    }
    if text.len() > limit {
        text.truncate(limit);
        return Decoded::Longer(text);
    }
    Decoded::Whole(text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::io::Write as _;

    use flate2::{
        Compression,
        write::{DeflateEncoder, GzEncoder, ZlibEncoder},
    };

    use super::*;

    const TEXT: &[u8] = br#"{"data":[]}"#;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
        gzip.write_all(text).unwrap();
        gzip.finish().unwrap()
    }

    #[test]
    fn the_usual_codings_are_undone_however_they_are_written() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(TEXT).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(TEXT).unwrap();
        for (coding, bytes) in [
            ("gzip", packed(TEXT)),
            (" X-GZIP", packed(TEXT)),
            ("deflate", zlib.finish().unwrap()),
            ("Deflate", raw.finish().unwrap()),
        ] {
            assert_eq!(decoded(coding, &bytes, 99), Decoded::Whole(TEXT.to_vec()), "{coding}");
        }
        let two = [packed(b"a"), packed(b"b")].concat();
        assert_eq!(decoded("gzip", &two, 2), Decoded::Whole(b"ab".to_vec()));
    }

    #[test]
    fn what_is_no_such_thing_stays_as_it_is() {
        let cut = &packed(TEXT)[..12];
        for (coding, bytes) in [("gzip", TEXT), ("gzip", cut), ("br", TEXT), ("identity", TEXT)] {
            assert_eq!(decoded(coding, bytes, 99), Decoded::No, "{coding}");
        }
    }

    #[test]
    fn a_bomb_is_read_up_to_the_limit() {
        let bomb = packed(&vec![b' '; 4 * 1024 * 1024]);
        assert!(bomb.len() < 8 * 1024);
        assert_eq!(decoded("gzip", &bomb, 1_000), Decoded::Longer(vec![b' '; 1_000]));
    }
}
