//! The exchanges that findings cite, as reports may show them: bounded, without credentials.

use std::time::Duration;

use serde_json::Value;

use crate::{
    credentials::{query, redact, secrets, strip},
    exchange::{Ending, Exchange},
    plan::Shop,
    verdict::{Evidence, Finding},
};

/// Bytes of one body that are kept for reports.
const BODY: usize = 256 * 1024;
/// Bytes of all bodies of one case that are kept for reports; beyond, each keeps [`LEAST`].
const CASE: usize = 1024 * 1024;
/// Bytes of a body that are kept in any case.
const LEAST: usize = 4 * 1024;
/// Exchanges that one case's report shows.
const MOST: usize = 20;
/// Evidence for these findings, in order of the journal.
pub(super) fn evidence(
    findings: &[Finding],
    exchanges: &[Exchange],
    shops: &[Shop],
    began: Duration,
) -> Vec<Evidence> {
    let secrets = secrets(shops);
    let mut cited: Vec<u64> = Vec::new();
    for seq in findings.iter().flat_map(|f| &f.exchanges) {
        if !cited.contains(seq) && cited.len() < MOST {
            cited.push(*seq);
        }
    }
    cited.sort_unstable();
    let mut left = CASE;
    let mut all = Vec::with_capacity(cited.len());
    for exchange in cited.iter().filter_map(|seq| super::find(exchanges, *seq)) {
        let one = shown(exchange, &secrets, began, left.clamp(LEAST, BODY));
        left = left.saturating_sub(one.request_body.len() + one.answer_body.len());
        all.push(one);
    }
    all
}

fn shown(exchange: &Exchange, secrets: &[&str], began: Duration, most: usize) -> Evidence {
    let request = &exchange.request;
    let query = query(&request.query);
    let line = format!(
        "{} {}{}{}{}",
        request.method,
        request.host,
        request.path,
        if query.is_empty() { "" } else { "?" },
        query
    );
    let ending = match exchange.ending {
        Ending::Answered => exchange.reply.status.to_string(),
        Ending::Open => "not answered yet".into(),
        Ending::Reset => "connection reset".into(),
        Ending::Cut => format!("{}, cut in the middle", exchange.reply.status),
        Ending::Unanswered => "no answer".into(),
        Ending::ClientLeft => "the relay did not wait for the answer".into(),
    };
    let whole = matches!(exchange.ending, Ending::Answered | Ending::Cut);
    // What was planned and never reached the relay is no answer; that the platform took the event is worth saying.
    let ending = match (whole, exchange.accepted.is_empty()) {
        (false, false) => format!("{ending}; the event was taken"),
        _ => ending,
    };
    let at = exchange.at.saturating_sub(began);
    let (request_body, is_cut) = body(&request.body, secrets, most);
    let (answer_body, _) = match whole {
        true => body(&exchange.reply.body, secrets, LEAST),
        false => Default::default(),
    };
    Evidence {
        seq: exchange.seq,
        at_ms: u64::try_from(at.as_millis()).unwrap_or(u64::MAX),
        request_line: strip(line, secrets),
        request_body,
        request_bytes: request.body_bytes,
        is_cut: is_cut || request.body_bytes > request.body.len(),
        answer_line: ending,
        answer_body,
    }
}

/// At most so many bytes, and whether that is less than all.
fn body(text: &str, secrets: &[&str], most: usize) -> (String, bool) {
    let text = match serde_json::from_str::<Value>(text) {
        Ok(mut value) => {
            redact(&mut value);
            serde_json::to_string_pretty(&value).unwrap_or_default()
        }
        Err(_) if text.contains('=') && !text.contains('\n') => query(text),
        Err(_) => text.to_owned(),
    };
    cut(strip(text, secrets), most)
}

fn cut(mut text: String, most: usize) -> (String, bool) {
    let is_cut = text.len() > most;
    if is_cut {
        let end = (0..=most).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
        text.push_str("\n… (cut)");
    }
    (text, is_cut)
}
