//! Jitsu's server-to-server route: Segment's track call with the key in a header of its own.
//!
//! Source: [client](https://github.com/jitsucom/jitsu/blob/newjitsu/libs/jitsu-js/src/analytics-plugin.ts). On this
//! route the receiver fills in no address: `context.ip` is the shopper's because the sender says so.

use serde_json::Value;

use super::{Delivery, InputFault, OrderView, segment, signing, track::Dialect};

/// The format.
#[derive(Debug)]
pub struct Jitsu;

impl Dialect for Jitsu {
    const NAME: &'static str = "jitsu";

    /// It has no consent field of its own and hands Segment's on.
    fn consent(view: &OrderView<'_>) -> Option<(&'static str, Value)> {
        segment::preferences(view)
    }

    fn headers_with_key(delivery: &Delivery<'_>) -> Result<Vec<(String, String)>, InputFault> {
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("User-Agent".to_owned(), "jitsu-js/1.10.0".to_owned()),
        ];
        headers.extend(signing::write_key(delivery)?.map(|key| ("X-Write-Key".to_owned(), key)));
        Ok(headers)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        inputs::{
            Format,
            samples::{Sample, header},
        },
        scenario::{Signature, Topic},
    };

    #[test]
    fn the_key_has_a_header_of_its_own_and_the_address_is_told() {
        let sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Paid);
        let prepared = Jitsu.render(&delivery).unwrap();
        assert_eq!(header(&prepared.headers, "X-Write-Key"), Some("wk_one"));
        let body: Value = serde_json::from_slice(&prepared.body).unwrap();
        assert_eq!(body["context"]["ip"], "203.0.113.24");
        delivery.signature = Signature::Empty;
        let prepared = Jitsu.render(&delivery).unwrap();
        assert_eq!(header(&prepared.headers, "X-Write-Key"), Some(""));
    }
}
