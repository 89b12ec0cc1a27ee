//! Cutting a selection into parts that machines play side by side. A case's part follows from its name alone: adding a
//! scenario moves no other case, and the parts of one selection are complete and disjoint.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Most parts of one selection.
pub const MAX_SHARDS: u16 = 1_000;

/// One part of several: `2/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Shard {
    number: u16,
    of: u16,
}

/// A text that names no shard.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// Not of the form.
    #[error("write it as K/N, such as 2/4 for the second of four")]
    Form,
    /// Too many or none.
    #[error("between 1 and {MAX_SHARDS} shards are possible, not {0}")]
    Count(u16),
    /// None of them.
    #[error("there is no shard {number} of {of}: they are counted from 1 to {of}")]
    Number {
        /// As asked for.
        number: u16,
        /// How many there are.
        of: u16,
    },
}

impl Shard {
    /// The `number`th (from one) of so many.
    ///
    /// # Errors
    /// If there is none.
    pub fn new(number: u16, of: u16) -> Result<Self, ShardError> {
        if of == 0 || of > MAX_SHARDS {
            Err(ShardError::Count(of))
        } else if number == 0 || number > of {
            Err(ShardError::Number { number, of })
        } else {
            Ok(Self { number, of })
        }
    }

    /// Which, from one.
    pub fn number(self) -> u16 {
        self.number
    }

    /// How many there are.
    pub fn of(self) -> u16 {
        self.of
    }

    /// Whether the case with this name is in it.
    ///
    /// The rule is part of the interface, since shards of one run may be played by machines that were set up at different
    /// times: the first eight bytes of the name's SHA-256, as a big-endian number, modulo the number of shards.
    pub fn contains(self, name: &str) -> bool {
        let hash = Sha256::digest(name.as_bytes());
        let number = hash.iter().take(8).fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        number % u64::from(self.of) == u64::from(self.number - 1)
    }
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.of)
    }
}

impl From<Shard> for String {
    fn from(shard: Shard) -> Self {
        shard.to_string()
    }
}

impl TryFrom<String> for Shard {
    type Error = ShardError;

    fn try_from(text: String) -> Result<Self, ShardError> {
        text.parse()
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let digits = |part: &str| {
            let plain = !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
            part.parse().ok().filter(|_| plain).ok_or(ShardError::Form)
        };
        let (number, of) = text.split_once('/').ok_or(ShardError::Form)?;
        Self::new(digits(number)?, digits(of)?)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;

    use super::*;

    fn home(name: &str, of: u16) -> Vec<u16> {
        (1..=of).filter(|k| Shard::new(*k, of).unwrap().contains(name)).collect()
    }

    proptest! {
        #[test]
        fn every_name_is_in_exactly_one_shard(name in "[a-z0-9_/]{0,60}", of in 1_u16..60) {
            prop_assert_eq!(home(&name, of).len(), 1);
        }

        #[test]
        fn what_is_written_is_read_again(of in 1..=MAX_SHARDS, number in 1..=MAX_SHARDS) {
            prop_assume!(number <= of);
            let shard = Shard::new(number, of).unwrap();
            prop_assert_eq!(shard.to_string().parse::<Shard>(), Ok(shard));
        }
    }

    #[test]
    fn a_name_stays_where_it_is() {
        // Written down: another rule would make shards of different versions overlap without a word.
        for (name, of, number) in [
            ("dedup/thank_you_reload/meta", 4, 4),
            ("consent/denied/tiktok", 4, 2),
            ("failures/blip/google_ads", 7, 4),
        ] {
            assert_eq!(home(name, of), [number], "{name}");
        }
    }

    #[test]
    fn shards_are_of_about_the_same_size() {
        let names: Vec<String> =
            (0..600).map(|i| format!("topic_{}/scenario_{}/meta/v{i}", i % 7, i / 3)).collect();
        for of in [2, 3, 4, 8] {
            let even = names.len() / usize::from(of);
            for number in 1..=of {
                let shard = Shard::new(number, of).unwrap();
                let size = names.iter().filter(|name| shard.contains(name)).count();
                assert!(size > even / 2 && size < even * 2, "{shard}: {size} of {even}");
            }
        }
    }

    #[test]
    fn what_is_no_shard_is_refused() {
        for text in ["", "1", "1/", "/2", "a/b", "1/2/3", "-1/2", "+1/2", " 1/2", "70000/70001"] {
            assert_eq!(text.parse::<Shard>(), Err(ShardError::Form), "{text}");
        }
        assert_eq!("0/2".parse::<Shard>(), Err(ShardError::Number { number: 0, of: 2 }));
        assert_eq!("3/2".parse::<Shard>(), Err(ShardError::Number { number: 3, of: 2 }));
        assert_eq!("1/0".parse::<Shard>(), Err(ShardError::Count(0)));
        assert_eq!("1/1001".parse::<Shard>(), Err(ShardError::Count(1001)));
    }
}
