//! Requests in a protocol that no simulator speaks: answered as its servers answer a method that they do not have, and
//! written down as unread.
//!
//! The gRPC answer is one of headers alone (`Trailers-Only`) with status 12, see
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>. To a client that is a permanent error, which is
//! true: no second attempt would be read either. Whatever such requests carried is unknown to the judges, not lost.

use std::sync::Arc;

use time::OffsetDateTime;

use super::{
    case::CaseState,
    faults::{Act, Effect},
    intake::Entrance,
    journal::{Directive, Facts, State},
    owners,
    wire::lock,
};
use crate::{
    exchange::{Reply, Request},
    platforms::Platform,
};

/// `UNIMPLEMENTED`.
const STATUS: &str = "12";

/// Percent-encoded, as `grpc-message` has to be.
const MESSAGE: &str =
    "the harness does not speak gRPC%3A let the relay use the platform's REST interface";

/// Shortest text that may name somebody.
const SHORTEST: usize = 6;

impl State {
    /// Journals a request that its platform's simulator cannot read. Nothing is taken, and no planned fault hits it but
    /// those that strike before a body is read.
    pub(super) fn unreadable(
        &self,
        entrance: Entrance<'_>,
        platform: &'static dyn Platform,
        protocol: &'static str,
        request: Request,
    ) -> Directive {
        lock(&self.unread).request(Some(platform.id()), protocol);
        let cases: Vec<Arc<CaseState>> = {
            let open = self.opened();
            let found = || {
                let readable = Request { body: texts(&request.body), ..request.clone() };
                owners::attribute(&open.index, &readable, None).shell.map(|owner| owner.case)
            };
            let id = entrance.owner.or_else(found);
            id.and_then(|id| open.cases.get(&id).cloned()).into_iter().collect()
        };
        let facts = Facts {
            platform: Some(platform),
            request,
            reading: None,
            owners: Vec::new(),
            over: Vec::new(),
            shared_account: false,
            now: cases.first().map_or_else(OffsetDateTime::now_utc, |case| case.now()),
            cases,
            account: None,
        };
        let effect = Effect::nothing_taken(answer(), Act::ORDINARY);
        self.write_down(&mut lock(&self.ledgers), facts, effect, None)
    }
}

fn answer() -> Reply {
    Reply { status: 200, ..Reply::default() }
        .with_header("content-type", "application/grpc")
        .with_header("grpc-status", STATUS)
        .with_header("grpc-message", MESSAGE)
}

/// The texts in a message, one a line. A field's length stands right before its text and may look like a letter of it,
/// so each text is given with and without its first character.
fn texts(message: &str) -> String {
    let mut lines = String::new();
    let is_between = |c: char| c.is_control() || c == char::REPLACEMENT_CHARACTER;
    for text in message.split(is_between).filter(|text| text.len() >= SHORTEST) {
        let mut rest = text.chars();
        rest.next();
        for line in [text, rest.as_str()] {
            lines.push_str(line);
            lines.push('\n');
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::texts;

    #[test]
    fn texts_are_found_in_a_message() {
        // Field 1 with a text of 9 bytes, field 2 with one of 42 (`*`), and a number.
        let id = "order_5000000001001-and-more-of-it-to-fill";
        assert_eq!(id.len(), 42);
        let message =
            format!("\u{0}\u{0}\u{0}\u{0}\u{2e}\n\tgclid-abc\u{12}*{id}\u{18}\u{fffd}\u{1}");
        let found = texts(&message);
        assert!(found.lines().any(|line| line == "gclid-abc"), "{found}");
        assert!(found.lines().any(|line| line == id), "{found}");
        assert_eq!(texts("\u{1}\u{2}ab"), "");
    }
}
