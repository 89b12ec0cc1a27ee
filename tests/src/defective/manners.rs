//! Other ways of saying the same: each of them is right, so that the harness has to read them as it reads the relay's own.

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use super::{At, Outgoing};

/// The name under which they are asked for.
pub(super) const NAME: &str = "other_manners";

/// Meta's events as a form, with JSON inside of JSON, or in several parts, as the official SDKs send them; one value without
/// a list around it; the event's name at Data Manager, where the browser's tag has none.
pub(super) static MANNERS: At = At::Outlet(|_, out| {
    out.each_event(|platform, event| match platform {
        "data_manager" => event["eventName"] = "purchase".into(),
        "meta" => ["em", "ph"].iter().for_each(|name| without_list(&mut event["user_data"], name)),
        "tiktok" => {
            ["email", "phone"].iter().for_each(|name| without_list(&mut event["user"], name))
        }
        _ => {}
    });
    if out.platform() == "meta" {
        another_shape(out);
    }
});

fn without_list(person: &mut Value, name: &str) {
    let Some(value) = person.get_mut(name) else { return };
    if let Some([one]) = value.as_array().map(Vec::as_slice) {
        *value = one.clone();
    }
}

/// Which shape hangs on the body alone: a retry has the one of the first attempt.
fn another_shape(out: &mut Outgoing) {
    let Ok(Value::Object(mut keys)) = serde_json::from_slice(&out.body) else { return };
    let Some(Value::Array(events)) = keys.remove("data") else { return };
    let nth = Sha256::digest(&out.body).first().copied().unwrap_or_default() % 3;
    let inner: Vec<Value> = events.iter().map(|event| event.to_string().into()).collect();
    let data = Value::Array(if nth == 0 { inner } else { events }).to_string();
    let mut fields = vec![("data".to_owned(), data)];
    fields.extend(keys.into_iter().map(|(name, value)| match value {
        Value::String(text) => (name, text),
        other => (name, other.to_string()),
    }));
    let kind = if nth == 2 {
        let part = |(name, text): &(String, String)| {
            format!("--part\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{text}\r\n")
        };
        out.body = (fields.iter().map(part).collect::<String>() + "--part--\r\n").into_bytes();
        "multipart/form-data; boundary=part"
    } else {
        out.body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(fields)
            .finish()
            .into_bytes();
        "application/x-www-form-urlencoded"
    };
    out.headers.retain(|(name, _)| name != "content-type");
    out.headers.push(("content-type".into(), kind.into()));
}
