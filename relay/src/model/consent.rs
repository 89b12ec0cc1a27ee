//! What a visitor allowed, reduced to four decisions.

use serde::{Deserialize, Serialize};

/// One answer. Unknown is never treated as granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The visitor said yes.
    Granted,
    /// The visitor said no, or withdrew.
    Denied,
    /// Nobody asked, or the signal could not be read.
    #[default]
    Unknown,
}

/// The four decisions at one moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Consent {
    /// May keep click ids and browser ids of this visitor.
    pub store: Answer,
    /// May send this visitor's conversions to ad platforms at all.
    pub ads: Answer,
    /// May send contact data (hashed or not).
    pub ads_user_data: Answer,
    /// May be used for remarketing.
    pub ads_personalise: Answer,
}
