//! One request that carries the events of several cases, as each of them may see it.

use serde_json::Value;

use crate::exchange::{CaseId, Exchange};

/// What stands in a body in place of another case's event.
const ANOTHER_S: &str = "(an event of another case)";

/// A request of several cases: its body taken apart once, put together again for each of them.
pub(super) struct Shared {
    /// Without its body if that was taken apart.
    exchange: Exchange,
    /// The body without its events, and the events; nothing if they have no places in it.
    parts: Option<(Value, Vec<Value>)>,
}

impl Shared {
    /// The body has to be whole: not cut yet.
    pub(super) fn of(exchange: &Exchange) -> Self {
        let mut exchange = exchange.clone();
        let mut parts = None;
        if let (Some(mut body), Some(reading)) = (exchange.body(), &exchange.reading) {
            let items = reading.items.iter().map(|item| {
                let place = body.pointer_mut(&item.pointer).filter(|_| !item.pointer.is_empty());
                place.map_or(Value::Null, |place| std::mem::replace(place, ANOTHER_S.into()))
            });
            let items = items.collect();
            parts = Some((body, items));
            exchange.request.body = String::new();
        }
        Self { exchange, parts }
    }

    /// As this case sees it: what is another's is none of its business. The bytes of the body are those of its own part.
    pub(super) fn seen_by(&self, case: CaseId) -> Exchange {
        let whole = &self.exchange;
        let mine =
            |i: usize| whole.owners.get(i).and_then(Option::as_ref).is_some_and(|o| o.case == case);
        let mut own = whole.clone();
        for owner in &mut own.owners {
            *owner = owner.take().filter(|owner| owner.case == case);
        }
        own.accepted.retain(|i| mine(*i));
        let Some(reading) = &mut own.reading else { return own };
        reading.broken.retain(|broken| broken.item.is_none_or(mine));
        if let Some((shell, items)) = &self.parts {
            let mut body = shell.clone();
            for (i, item) in items.iter().enumerate().filter(|(i, _)| mine(*i)) {
                let place = reading.items.get(i).and_then(|item| body.pointer_mut(&item.pointer));
                if let Some(place) = place {
                    place.clone_from(item);
                }
            }
            own.request.body = body.to_string();
            own.request.body_bytes = own.request.body.len();
        }
        own
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Duration;

    use time::OffsetDateTime;

    use super::*;
    use crate::{
        exchange::{Ending, Owner, Reply, Request},
        platforms::{Channel, Item, Reading, Violation},
    };

    #[test]
    fn each_case_sees_its_own_events_where_they_were() {
        let item = |n: usize| Item { pointer: format!("/data/{n}"), ..Item::default() };
        let owner = |case| Some(Owner { case, order: None });
        let broken = |item| Violation {
            rule: "R",
            item,
            at: String::new(),
            message: String::new(),
            refused: false,
        };
        let exchange = Exchange {
            seq: 7,
            at: Duration::ZERO,
            ended_at: None,
            time: OffsetDateTime::UNIX_EPOCH,
            platform: Some("meta"),
            request: Request {
                body: r#"{"data":[{"a":1},{"b":2},{"c":3}],"token":"t"}"#.into(),
                ..Request::default()
            },
            reading: Some(Reading {
                account: None,
                channel: Channel::Server,
                items: vec![item(0), item(1), item(2)],
                broken: vec![broken(Some(0)), broken(Some(1)), broken(None)],
            }),
            owners: vec![owner(1), owner(2), None],
            fault: None,
            accepted: vec![0, 1, 2],
            reply: Reply::default(),
            ending: Ending::Open,
        };
        let seen = Shared::of(&exchange).seen_by(2);
        let own = format!(r#"{{"data":["{ANOTHER_S}",{{"b":2}},"{ANOTHER_S}"],"token":"t"}}"#);
        assert_eq!(seen.request.body, own);
        let mut form = exchange.clone();
        form.request.headers =
            vec![("content-type".into(), "application/x-www-form-urlencoded".into())];
        let data = url::form_urlencoded::byte_serialize(br#"[{"a":1},{"b":2},{"c":3}]"#);
        form.request.body = format!("data={}&token=t", data.collect::<String>());
        assert_eq!(Shared::of(&form).seen_by(2).request.body, own);
        assert_eq!(seen.request.body_bytes, seen.request.body.len());
        assert_eq!(seen.accepted, [1]);
        assert_eq!(seen.owners, [None, owner(2), None]);
        let about: Vec<_> = seen.reading.unwrap().broken.iter().map(|b| b.item).collect();
        assert_eq!(about, [Some(1), None]);
    }
}
