//! Planned faults: which of a case's faults hits a request, and what it then does. No sockets here.

use std::time::Duration;

use super::{
    accounts::Grant,
    body::Pace,
    matchers::{Conditions, Subject},
};
use crate::{
    exchange::{Ending, OrderRef, Reply},
    platforms::{Answer, FailureClass},
    scenario::{Answers, Fault, HttpAnswer},
};

/// How far a request had come when a fault is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// The connection was just accepted.
    Accepted,
    /// The head was read.
    Head,
    /// All was read.
    Whole,
}

/// What is known of a request when a fault is asked for.
pub(super) struct Probe<'a> {
    pub(super) stage: Stage,
    pub(super) platform: &'a str,
    pub(super) subject: &'a Subject<'a>,
    /// Orders of this case that it carries.
    pub(super) orders: &'a [&'a OrderRef],
    /// It uses a credential that was replaced by a new one.
    pub(super) fresh_credential: bool,
    /// What its access token comes from, if the token endpoint has handed it out.
    pub(super) grant: Option<&'a Grant>,
}

/// A relay that gets more tokens in one case than this does not use them.
const MOST_EXPIRED: usize = 64;

/// A fault and how often it hit.
pub(super) struct Armed {
    platform: String,
    order: Option<OrderRef>,
    conditions: Conditions,
    fault: Fault,
    rows: Vec<OrderRef>,
    passed: u32,
    hits: u32,
    lifted: bool,
    /// Grants whose token was refused as expired: it stays so, however often the fault was to hit.
    expired: Vec<Grant>,
}

impl Armed {
    /// Arms all faults of a case, in order.
    pub(super) fn all<'s>(
        faults: impl Iterator<Item = &'s Fault>,
        own_platform: &str,
    ) -> Result<Vec<Self>, String> {
        faults
            .enumerate()
            .map(|(i, fault)| {
                Self::one(fault, own_platform).map_err(|e| format!("planned fault {}: {e}", i + 1))
            })
            .collect()
    }

    fn one(fault: &Fault, own_platform: &str) -> Result<Self, String> {
        if let Answers::Http(answer) = &fault.answers {
            check_answer(answer)?;
        }
        if let Some(text) = &fault.retry_after_text {
            http::HeaderValue::from_str(text)
                .map_err(|e| format!("`retry_after_text` is no header value: {e}"))?;
        }
        Ok(Self {
            platform: fault.name.clone().unwrap_or_else(|| own_platform.to_owned()),
            order: fault.order.clone().map(OrderRef::Named),
            conditions: Conditions::compile(&fault.when)?,
            rows: fault.rows.iter().cloned().map(OrderRef::Named).collect(),
            fault: fault.clone(),
            passed: 0,
            hits: 0,
            lifted: false,
            expired: Vec::new(),
        })
    }

    pub(super) fn answers(&self) -> &Answers {
        &self.fault.answers
    }

    /// Counts a hit and says the how-manieth it is.
    pub(super) fn hit(&mut self) -> u32 {
        self.hits = self.hits.saturating_add(1);
        self.hits
    }

    /// It hits a request with such a token: if it says that the token has expired, it has.
    pub(super) fn expires(&mut self, grant: Grant) {
        let is_meant = matches!(self.fault.answers, Answers::Failure(FailureClass::TokenExpired));
        if is_meant && self.expired.len() < MOST_EXPIRED {
            self.expired.push(grant);
        }
    }

    /// True if it was for this platform (`None`: any); it never hits again.
    pub(super) fn lift(&mut self, platform: Option<&str>) -> bool {
        let meant = platform.is_none_or(|p| p == self.platform);
        self.lifted |= meant;
        meant
    }

    pub(super) fn is_lifted(&self) -> bool {
        self.lifted
    }

    fn is_spent(&self) -> bool {
        self.lifted || self.fault.times.is_some_and(|times| self.hits >= times)
    }

    /// Could strike before a request's body is read.
    pub(super) fn strikes_early(&self) -> bool {
        matches!(self.fault.answers, Answers::Refuse | Answers::ResetBeforeBody)
            && self.order.is_none()
            && !self.conditions.need_body
    }

    fn matches(&self, probe: &Probe<'_>) -> bool {
        let class = match self.fault.answers {
            Answers::Failure(class) => Some(class),
            _ => None,
        };
        if self.lifted || self.platform != probe.platform {
            return false;
        }
        if probe.grant.is_some_and(|grant| self.expired.contains(grant)) {
            return true;
        }
        if self.is_spent() {
            return false;
        }
        if probe.stage != Stage::Whole && !self.strikes_early() {
            // Not decidable yet; `choose` stops here.
            return true;
        }
        if probe.stage == Stage::Accepted {
            return matches!(self.fault.answers, Answers::Refuse) && self.conditions.is_empty();
        }
        let carries = |order| probe.orders.contains(&order);
        self.order.as_ref().is_none_or(carries)
            && !(class == Some(FailureClass::TokenExpired) && probe.fresh_credential)
            && (!is_partial(class) || self.rows.is_empty() || self.rows.iter().any(carries))
            && self.conditions.hold(probe.subject)
    }

    /// Items that a partial failure hits, given the order of each item: those of `rows`, of `order`, or all.
    pub(super) fn rows_of(&self, orders: &[Option<&OrderRef>]) -> Vec<usize> {
        let meant = |order: Option<&OrderRef>| match (self.rows.is_empty(), &self.order) {
            (false, _) => order.is_some_and(|o| self.rows.contains(o)),
            (true, Some(only)) => order == Some(only),
            (true, None) => true,
        };
        (0..orders.len()).filter(|i| meant(orders.get(*i).copied().flatten())).collect()
    }

    /// Adds `Retry-After` as the scenario wants it. `now` is the case's own time.
    pub(super) fn with_retry_after(&self, reply: Reply, now: time::OffsetDateTime) -> Reply {
        let fault = &self.fault;
        let text = if let Some(text) = &fault.retry_after_text {
            Some(text.clone())
        } else if let Some(span) = fault.retry_after {
            Some(span.unsigned().as_millis().div_ceil(1_000).to_string())
        } else {
            fault.retry_after_date.and_then(|span| {
                let due = now.checked_add(span.signed())?;
                // HTTP dates have whole seconds: never earlier than meant.
                let up = if due.nanosecond() == 0 { 0 } else { 1 };
                http_date(due.replace_nanosecond(0).ok()? + time::Duration::seconds(up))
            })
        };
        match text {
            Some(text) => reply.with_header("retry-after", text),
            None => reply,
        }
    }
}

/// The first armed fault that strikes this request at this stage.
///
/// Before the request is read whole, a fault that cannot be decided yet hides those behind it: the first armed fault
/// wins whatever its kind. Requests that pass untouched are counted for `after` only when they are whole.
pub(super) fn choose(faults: &mut [Armed], probe: &Probe<'_>) -> Option<usize> {
    let matching: Vec<usize> =
        (0..faults.len()).filter(|i| faults.get(*i).is_some_and(|f| f.matches(probe))).collect();
    let armed = matching
        .iter()
        .copied()
        .find(|i| faults.get(*i).is_some_and(|f| f.passed >= f.fault.after));
    match (armed, probe.stage) {
        (Some(i), Stage::Whole) => Some(i),
        (Some(i), Stage::Head) => faults.get(i).filter(|f| f.strikes_early()).map(|_| i),
        (Some(i), Stage::Accepted) => {
            faults.get(i).filter(|f| matches!(f.fault.answers, Answers::Refuse)).map(|_| i)
        }
        (None, Stage::Whole) => {
            for i in matching {
                if let Some(fault) = faults.get_mut(i) {
                    fault.passed = fault.passed.saturating_add(1);
                }
            }
            None
        }
        (None, _) => None,
    }
}

/// What the connection does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// Answers, after a pause, at a pace.
    Answer {
        /// Pause before the head.
        after: Duration,
        /// How the body is written.
        pace: Pace,
    },
    /// Resets the connection.
    Reset,
    /// Says nothing until the fault is lifted.
    Hold,
}

impl Act {
    /// An ordinary answer.
    pub(super) const ORDINARY: Self = Self::Answer { after: Duration::ZERO, pace: Pace::Whole };

    /// How the exchange ends if the connection ends before the answer is out.
    pub(super) fn if_cut_off(self) -> Ending {
        match self {
            Self::Answer { pace: Pace::Cut, .. } => Ending::Cut,
            Self::Answer { .. } => Ending::ClientLeft,
            Self::Reset => Ending::Reset,
            Self::Hold => Ending::Unanswered,
        }
    }
}

/// What a fault makes of a request.
pub(super) struct Effect {
    pub(super) answer: Answer,
    pub(super) act: Act,
    /// The platform's ordinary answer was made (for instance: a token was handed out).
    pub(super) ordinary: bool,
}

impl Effect {
    /// The platform's own answer.
    pub(super) fn ordinary(answer: Answer, act: Act) -> Self {
        Self { answer, act, ordinary: true }
    }

    /// Another answer, nothing taken.
    pub(super) fn nothing_taken(reply: Reply, act: Act) -> Self {
        Self { answer: Answer { reply, accepted: Vec::new() }, act, ordinary: false }
    }
}

/// Applies a fault. `ordinary` makes the platform's own answer, `failure` its form of a failure class;
/// `redirect_to` is the canary. `None`: the platform has no such failure, so nothing happened.
pub(super) fn apply(
    answers: &Answers,
    ordinary: impl FnOnce() -> Answer,
    failure: impl FnOnce(FailureClass) -> Option<Answer>,
    redirect_to: &str,
) -> Option<Effect> {
    let nothing = Effect::nothing_taken;
    let paced = |after, pace| Act::Answer { after, pace };
    Some(match answers {
        Answers::Failure(class) => {
            Effect { answer: failure(*class)?, act: Act::ORDINARY, ordinary: false }
        }
        Answers::Http(http) => nothing(
            Reply {
                status: http.status,
                headers: http.headers.iter().map(|(n, v)| (n.clone(), v.clone())).collect(),
                body: http.body.clone(),
            },
            Act::ORDINARY,
        ),
        Answers::Refuse | Answers::ResetBeforeBody | Answers::ResetAfterBody => {
            nothing(Reply::default(), Act::Reset)
        }
        Answers::Never => nothing(Reply::default(), Act::Hold),
        Answers::HtmlOk => nothing(Reply::text(200, HTML, PAGE), Act::ORDINARY),
        Answers::EmptyOk => nothing(Reply { status: 200, ..Reply::default() }, Act::ORDINARY),
        Answers::Redirect => nothing(
            Reply::text(302, HTML, "<html><body>Found</body></html>\n")
                .with_header("location", redirect_to),
            Act::ORDINARY,
        ),
        Answers::SlowBody(span) => {
            Effect::ordinary(ordinary(), paced(Duration::ZERO, Pace::Slow(span.unsigned())))
        }
        Answers::CutBody => Effect::ordinary(ordinary(), paced(Duration::ZERO, Pace::Cut)),
        Answers::Delay(span) => Effect::ordinary(ordinary(), paced(span.unsigned(), Pace::Whole)),
        Answers::CommitThenReset => Effect::ordinary(ordinary(), Act::Reset),
        Answers::CommitThenSilence => Effect::ordinary(ordinary(), Act::Hold),
        Answers::CommitThenBadGateway => Effect {
            answer: Answer {
                reply: Reply::text(502, HTML, BAD_GATEWAY),
                accepted: ordinary().accepted,
            },
            act: Act::ORDINARY,
            ordinary: false,
        },
    })
}

const HTML: &str = "text/html; charset=utf-8";
const PAGE: &str = "<!doctype html>\n<html><head><title>Maintenance</title></head><body><h1>We will be back soon</h1></body></html>\n";
const BAD_GATEWAY: &str = "<html>\n<head><title>502 Bad Gateway</title></head>\n<body><h1>502 Bad Gateway</h1></body>\n</html>\n";

fn is_partial(class: Option<FailureClass>) -> bool {
    matches!(class, Some(FailureClass::PartialInvalid | FailureClass::PartialTransient))
}

fn check_answer(answer: &HttpAnswer) -> Result<(), String> {
    if !(200..=599).contains(&answer.status) {
        return Err(format!("status {} cannot be answered: use 200 to 599", answer.status));
    }
    for (name, value) in &answer.headers {
        http::HeaderName::try_from(name.as_str())
            .map_err(|e| format!("`{name}` is no header name: {e}"))?;
        http::HeaderValue::try_from(value.as_str())
            .map_err(|e| format!("header `{name}` cannot have this value: {e}"))?;
    }
    Ok(())
}

/// A moment as HTTP writes it; `None` outside the years that HTTP can write.
pub(super) fn http_date(moment: time::OffsetDateTime) -> Option<String> {
    let utc = moment.checked_to_offset(time::UtcOffset::UTC)?;
    (1970..=9999)
        .contains(&utc.year())
        .then(|| httpdate::fmt_http_date(std::time::SystemTime::from(utc)))
}
