//! What planned faults must fulfil.

use super::{MAX_TIMES, Rules};
use crate::{
    exchange::Request,
    platforms::{self, Channel, FailureClass, Item, Platform, Reading},
    scenario::{Answers, Fault, HttpAnswer, Platforms, When},
};

impl Rules {
    pub(super) fn fault(&mut self, at: &str, fault: &Fault, on: &Platforms) {
        self.service(&format!("{at}/name"), fault.name.as_deref());
        self.times(&format!("{at}/times"), fault.times, MAX_TIMES);
        if let Some(order) = &fault.order {
            self.known_order(&format!("{at}/order"), order);
        }
        for (i, order) in fault.rows.iter().enumerate() {
            self.known_order(&format!("{at}/rows/{i}"), order);
        }
        for (i, when) in fault.when.iter().enumerate() {
            self.when(&format!("{at}/when/{i}"), when);
        }
        let headers = [
            fault.retry_after.is_some(),
            fault.retry_after_date.is_some(),
            fault.retry_after_text.is_some(),
        ];
        if headers.iter().filter(|given| **given).count() > 1 {
            let hint = "keep one of retry_after, retry_after_date and retry_after_text";
            self.say(at, "more than one form of Retry-After is given", hint);
        }
        self.not_negative(format!("{at}/retry_after"), fault.retry_after);
        self.not_negative(format!("{at}/retry_after_date"), fault.retry_after_date);
        match &fault.answers {
            Answers::Delay(span) => self.not_negative(format!("{at}/answers/delay"), Some(*span)),
            Answers::SlowBody(span) => {
                self.not_negative(format!("{at}/answers/slow_body"), Some(*span))
            }
            Answers::Http(answer) => self.http(&format!("{at}/answers/http"), answer),
            Answers::Failure(class) => {
                let named = match (&fault.name, on) {
                    (Some(name), _) => std::slice::from_ref(name),
                    (None, Platforms::Only(ids)) => ids.as_slice(),
                    (None, Platforms::All) => &[],
                };
                for platform in named.iter().filter_map(|id| platforms::by_id(id)) {
                    if !knows_failure(platform, *class) {
                        let message = format!("{} has no such answer", platform.id());
                        let hint = "name the platforms that have it under `platforms`";
                        self.say(format!("{at}/answers"), message, hint);
                    }
                }
            }
            _ => {}
        }
    }

    fn http(&mut self, at: &str, answer: &HttpAnswer) {
        if !(200..=599).contains(&answer.status) {
            let message = format!("{} is no final HTTP status", answer.status);
            self.say(format!("{at}/status"), message, "write a number from 200 to 599");
        }
        for (name, value) in &answer.headers {
            let good = http::HeaderName::try_from(name.as_str()).is_ok()
                && http::HeaderValue::try_from(value).is_ok();
            if !good {
                let hint = "names have no blanks, values no line ends";
                self.say(format!("{at}/headers/{name}"), "not a valid HTTP header", hint);
            }
        }
    }

    fn when(&mut self, at: &str, when: &When) {
        match when {
            When::Path(pattern) => self.regex(&format!("{at}/path"), pattern),
            When::Method(method) if http::Method::from_bytes(method.as_bytes()).is_err() => {
                let message = format!("`{method}` is no HTTP method");
                self.say(format!("{at}/method"), message, "write it like POST");
            }
            When::Header(headers) => {
                for name in
                    headers.keys().filter(|name| http::HeaderName::try_from(name.as_str()).is_err())
                {
                    let message = format!("`{name}` is no header name");
                    self.say(format!("{at}/header"), message, "names have no blanks or colons");
                }
            }
            When::Method(_) | When::Query(_) | When::BodyContains(_) | When::BodyJson(_) => {}
        }
    }
}

/// Whether a platform has an answer for this class of failure, found out with a request that holds nothing.
pub(crate) fn knows_failure(platform: &dyn Platform, class: FailureClass) -> bool {
    let request = Request {
        method: "POST".into(),
        path: "/".into(),
        body: "{}".into(),
        ..Request::default()
    };
    let items = vec![Item::default()];
    let reading = Reading { account: None, channel: Channel::Server, items, broken: Vec::new() };
    platform.failure(class, &request, &reading, &[0]).is_some()
}
