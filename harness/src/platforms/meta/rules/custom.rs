//! Money and contents of an event, and contact data where none belongs.

use serde_json::Value;

use super::super::super::normalise::{
    is_currency,
    sent::{Findings, decimal, excerpt, field, text, text_field},
};

/// True if there is an e-mail address in the text, plain or percent-encoded.
pub(super) fn holds_address(text: &str) -> bool {
    let text = text.replace("%40", "@");
    let found = text.match_indices('@').any(|(at, _)| {
        let before = text.get(..at).and_then(|part| part.chars().next_back());
        let is_local = before.is_some_and(|c| c.is_alphanumeric() || "._%+-".contains(c));
        is_local && text.get(at + 1..).is_some_and(starts_with_domain)
    });
    found && !is_userinfo_only(&text)
}

/// Labels with a top-level domain of letters; `2x.png` of an image name is none.
fn starts_with_domain(text: &str) -> bool {
    let is_part = |c: char| c.is_alphanumeric() || ".-".contains(c);
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    let domain = text.get(..end).unwrap_or_default().trim_end_matches('.');
    let Some((name, top)) = domain.rsplit_once('.') else { return false };
    let is_file = matches!(top, "png" | "jpg" | "jpeg" | "gif" | "svg" | "webp" | "js" | "css");
    !name.is_empty() && top.len() >= 2 && top.chars().all(char::is_alphabetic) && !is_file
}

/// `https://user@host/` has an at sign that is no address.
fn is_userinfo_only(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.matches('@').count() == text.matches('@').count()
}

pub(super) fn judge(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    name: &str,
    event: &Value,
    findings: &mut Findings,
) {
    let nothing = Value::Null;
    let custom = event.get("custom_data").unwrap_or(&nothing);
    let value = field(custom, "value");
    let currency = text_field(custom, "currency");
    let is_purchase = name == "Purchase";
    match value {
        None if is_purchase => {
            findings.refuse(
                "META-PURCHASE-VALUE",
                item,
                at("custom_data/value"),
                "a purchase has a value",
            );
        }
        Some(sent) if is_purchase && decimal(sent).is_none() => {
            let message = format!("{} is no number", excerpt(&sent.to_string()));
            findings.refuse("META-PURCHASE-VALUE", item, at("custom_data/value"), message);
        }
        _ => {}
    }
    match &currency {
        None if is_purchase => {
            findings.refuse(
                "META-PURCHASE-CURRENCY",
                item,
                at("custom_data/currency"),
                "a purchase has a currency",
            );
        }
        None if value.is_some() => {
            findings.note(
                "META-VALUE-NEEDS-CURRENCY",
                item,
                at("custom_data/currency"),
                "a value without currency",
            );
        }
        Some(code) if !is_currency(&code.to_uppercase()) => {
            let message = format!("`{}` is no ISO 4217 code", excerpt(code));
            findings.note("META-CURRENCY-ISO", item, at("custom_data/currency"), message);
        }
        _ => {}
    }
    judge_contents(item, at, custom, findings);
    for (key, sent) in custom.as_object().into_iter().flatten() {
        if sent.as_str().is_some_and(holds_address) {
            let at = at(&format!("custom_data/{}", key.replace('~', "~0").replace('/', "~1")));
            findings.note("META-PII-IN-CUSTOM", item, at, "the value holds an e-mail address");
        }
    }
}

fn judge_contents(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    custom: &Value,
    findings: &mut Findings,
) {
    let Some(contents) = custom.get("contents").filter(|sent| !sent.is_null()) else { return };
    let has_id = |entry: &Value| field(entry, "id").and_then(text).is_some();
    let message = match contents.as_array() {
        None => "`contents` is not a list",
        Some(entries) if !entries.iter().all(has_id) => {
            "an entry of `contents` is no object with an `id`"
        }
        Some(_) => return,
    };
    findings.refuse("META-CONTENTS-LIST", item, at("custom_data/contents"), message);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_texts_and_urls() {
        for text in [
            "a@b.example",
            "https://x.example/?email=jane%40example.com",
            "note: jane@example.com.",
        ] {
            assert!(holds_address(text), "{text}");
        }
        for text in [
            "",
            "@",
            "a@b",
            "https://user@shop.example/",
            "size @ 10.5",
            "https://x.example/@name",
            "logo@2x.png",
        ] {
            assert!(!holds_address(text), "{text}");
        }
    }
}
