//! From a request to what is done about it: whose it is, which planned fault hits it, what its platform answers.

use std::sync::atomic::Ordering;

use std::sync::Arc;

use time::OffsetDateTime;

use super::{
    accounts::TOKEN_ENDPOINT,
    case::CaseState,
    faults::{self, Act, Effect, Probe, Stage},
    journal::{Directive, Facts, State, Struck},
    matchers::Subject,
    owners::{self, Found},
    route::{CANARY, Route},
    wire::lock,
};
use crate::{
    exchange::{CaseId, Ending, OrderRef, Owner, Reply, Request},
    platforms::{Answer, Platform, Reading},
};

/// Where a request came in.
#[derive(Clone, Copy)]
pub(super) struct Entrance<'a> {
    /// The case that has this door for itself.
    pub(super) owner: Option<CaseId>,
    /// `http://127.0.0.1:PORT`.
    pub(super) origin: &'a str,
}

/// Whose the items of a request are.
struct Attribution {
    /// The open case and order of each item.
    owners: Vec<Option<Owner>>,
    /// Of items that carry the tracers of a case that is over: that one.
    over: Vec<Option<Owner>>,
    /// Open cases concerned, in order of their items.
    cases: Vec<Arc<CaseState>>,
    /// Several open cases use the account.
    shared_account: bool,
}

/// A request and whose it is.
struct Attributed<'a> {
    request: &'a Request,
    reading: &'a Reading,
    owners: &'a [Option<Owner>],
    cases: &'a [Arc<CaseState>],
}

impl State {
    /// A connection was accepted at a private door's own address for one platform. `Some`: it is to be reset.
    pub(super) fn at_accept(
        &self,
        entrance: Entrance<'_>,
        platform: &'static dyn Platform,
    ) -> Option<Directive> {
        let case = self.case(entrance.owner?)?;
        let host = platform.hosts().first().copied().unwrap_or_default().to_owned();
        self.early(case, Stage::Accepted, platform, Request { host, ..Request::default() })
    }

    /// The head of a request was read. `Some`: the connection is to be reset now.
    pub(super) fn at_head(
        &self,
        entrance: Entrance<'_>,
        route: Route,
        request: &Request,
    ) -> Option<Directive> {
        let Route::Platform(platform) = route else { return None };
        if !self.any_early_faults() {
            return None;
        }
        let id = match entrance.owner {
            Some(id) => id,
            None => {
                let now = OffsetDateTime::now_utc();
                let read = self.accounts.view(platform.id(), |a| platform.read(request, now, a));
                // Without its body nobody can tell a request of this case from a late retry of one that is over. What
                // strikes before the body is read then strikes when it has been, and whose it is is known.
                self.opened().only_user(platform.id(), &read.account?)?
            }
        };
        self.early(self.case(id)?, Stage::Head, platform, request.clone())
    }

    fn early(
        &self,
        case: Arc<CaseState>,
        stage: Stage,
        platform: &'static dyn Platform,
        mut request: Request,
    ) -> Option<Directive> {
        let now = case.now();
        let mut ledgers = lock(&self.ledgers);
        let index = {
            let subject = Subject::new(&request);
            let probe = Probe {
                stage,
                platform: platform.id(),
                subject: &subject,
                orders: &[],
                fresh_credential: false,
                grant: None,
            };
            faults::choose(&mut lock(&case.inner).faults, &probe)?
        };
        request.incomplete = true;
        let struck = Struck { case: Arc::clone(&case), index };
        let facts = Facts {
            platform: Some(platform),
            request,
            reading: None,
            owners: Vec::new(),
            over: Vec::new(),
            shared_account: false,
            cases: vec![case],
            account: None,
            now,
        };
        let effect = Effect::nothing_taken(Reply::default(), Act::Reset);
        Some(self.write_down(&mut ledgers, facts, effect, Some(struck)))
    }

    /// A request was read (as far as it came).
    pub(super) fn receive(
        &self,
        entrance: Entrance<'_>,
        route: Route,
        request: Request,
    ) -> Directive {
        match route {
            Route::Platform(platform) => self.to_platform(entrance, platform, request),
            Route::Canary(case) => self.undeclared(entrance, case, request),
            Route::Undeclared => self.undeclared(entrance, None, request),
        }
    }

    /// A request came in by the wire.
    pub(super) fn note_served(&self, entrance: Entrance<'_>) {
        if entrance.owner.is_none() {
            self.served.fetch_add(1, Ordering::Release);
        }
    }

    fn to_platform(
        &self,
        entrance: Entrance<'_>,
        platform: &'static dyn Platform,
        request: Request,
    ) -> Directive {
        let id = platform.id();
        let read = |now| self.accounts.view(id, |accounts| platform.read(&request, now, accounts));
        let mut reading = read(OffsetDateTime::now_utc());
        let Attribution { owners, over, cases, shared_account } =
            self.attribute(entrance, platform, &request, &reading);
        let now = cases.first().map_or_else(OffsetDateTime::now_utc, |case| case.now());
        if cases.first().is_some_and(|case| case.was_advanced()) {
            // The contract has rules about time: this case's clock says what now is.
            reading = read(now);
        }

        let account = reading.account.clone().filter(|key| self.accounts.is_known(id, key));
        let account = account.map(|key| (id, key));
        let mut ledgers = lock(&self.ledgers);
        let ledger = ledgers.of(account.as_ref());
        let ordinary = || platform.answer(&request, &reading, ledger);
        let (struck, effect) = if request.incomplete {
            // What did not come whole is taken by nobody.
            (None, Effect::nothing_taken(incomplete(&request), Act::ORDINARY))
        } else {
            let attributed =
                Attributed { request: &request, reading: &reading, owners: &owners, cases: &cases };
            match self.strike(platform, &attributed, ordinary, entrance.origin) {
                Some((struck, effect)) => (Some(struck), effect),
                None => (None, Effect::ordinary(ordinary(), Act::ORDINARY)),
            }
        };
        if effect.ordinary && id == TOKEN_ENDPOINT {
            self.accounts.handed_out(&reading, &effect.answer.reply);
        }
        let platform = Some(platform);
        let reading = Some(reading);
        let facts =
            Facts { platform, request, reading, owners, over, shared_account, cases, account, now };
        self.write_down(&mut ledgers, facts, effect, struck)
    }

    /// Finds the fault that hits, of the first case that has one, and what it does.
    fn strike(
        &self,
        platform: &'static dyn Platform,
        of: &Attributed<'_>,
        ordinary: impl Fn() -> Answer,
        origin: &str,
    ) -> Option<(Struck, Effect)> {
        let subject = Subject::new(of.request);
        for case in of.cases {
            let id = case.case.id;
            let now = case.now();
            let mut inner = lock(&case.inner);
            let inner = &mut *inner;
            if inner.faults.is_empty() {
                continue;
            }
            let mine = |owner: &Owner| owner.case == id;
            let per_item: Vec<Option<&OrderRef>> = of
                .owners
                .iter()
                .map(|o| o.as_ref().filter(|o| mine(o)).and_then(|o| o.order.as_ref()))
                .collect();
            let orders: Vec<&OrderRef> = per_item.iter().copied().flatten().collect();
            let grant = self.accounts.grant(of.request);
            let probe = Probe {
                stage: Stage::Whole,
                platform: platform.id(),
                subject: &subject,
                orders: &orders,
                fresh_credential: self.accounts.uses_any(&inner.fresh, of.request),
                grant: grant.as_ref(),
            };
            let Some(index) = faults::choose(&mut inner.faults, &probe) else { continue };
            let Some(fault) = inner.faults.get_mut(index) else { continue };
            if let Some(grant) = grant {
                fault.expires(grant);
            }
            let mut rows = fault.rows_of(&per_item);
            rows.retain(|i| of.owners.get(*i).and_then(Option::as_ref).is_none_or(mine));
            let canary = format!("{origin}{CANARY}{id}/");
            let failure = |class| platform.failure(class, of.request, of.reading, &rows);
            if let Some(mut effect) = faults::apply(fault.answers(), &ordinary, failure, &canary) {
                effect.answer.reply = fault.with_retry_after(effect.answer.reply, now);
                return Some((Struck { case: Arc::clone(case), index }, effect));
            }
        }
        None
    }

    /// Whose each item is.
    fn attribute(
        &self,
        entrance: Entrance<'_>,
        platform: &'static dyn Platform,
        request: &Request,
        reading: &Reading,
    ) -> Attribution {
        let open = self.opened();
        let Found { items, shell } =
            owners::attribute(&open.index, request, Some((platform, reading)));
        let platform = platform.id();
        let is_open = |owner: &Owner| open.cases.contains_key(&owner.case);
        let place = |found: Option<Owner>, key: Option<&str>| -> Option<Owner> {
            if entrance.owner.is_none() && found.as_ref().is_some_and(|owner| !is_open(owner)) {
                return None;
            }
            match (entrance.owner, found) {
                // A private door: whatever comes is this case's.
                (Some(case), found) => {
                    let order = found.filter(|o| o.case == case).and_then(|o| o.order);
                    Some(Owner { case, order })
                }
                (None, Some(found)) => Some(found),
                // No tracer: the account tells, unless a case that is over sent this before.
                (None, None) => {
                    let case = open.lessee(platform, reading.account.as_deref()?)?;
                    let departed =
                        key.is_some_and(|k| lock(&self.ledgers).is_departed(platform, k));
                    (!departed).then_some(Owner { case, order: None })
                }
            }
        };
        let over =
            items.iter().map(|found| found.clone().filter(|owner| !is_open(owner))).collect();
        let owners: Vec<Option<Owner>> = items
            .into_iter()
            .zip(&reading.items)
            .map(|(found, item)| place(found, item.key.as_deref()))
            .collect();
        let whole = if owners.is_empty() { place(shell, None) } else { None };
        let mut ids: Vec<CaseId> = Vec::new();
        for owner in owners.iter().flatten().chain(&whole) {
            if !ids.contains(&owner.case) {
                ids.push(owner.case);
            }
        }
        let cases = ids.iter().filter_map(|id| open.cases.get(id).cloned()).collect();
        let account = reading.account.as_deref();
        let shared_account = account.is_some_and(|key| open.is_shared(platform, key));
        Attribution { owners, over, cases, shared_account }
    }

    /// A request that is for no platform: to a host that nobody declared, or to the target of a redirect.
    fn undeclared(
        &self,
        entrance: Entrance<'_>,
        canary: Option<CaseId>,
        request: Request,
    ) -> Directive {
        let cases: Vec<Arc<CaseState>> = {
            let open = self.opened();
            let found = || owners::attribute(&open.index, &request, None).shell.map(|o| o.case);
            let id = entrance.owner.or(canary).or_else(found);
            id.and_then(|id| open.cases.get(&id).cloned()).into_iter().collect()
        };
        let host: String = request.host.chars().take(200).collect();
        let text = format!(
            "the gateway answers for ad platforms only; nobody declared the host `{host}`\n"
        );
        let facts = Facts {
            platform: None,
            request,
            reading: None,
            owners: Vec::new(),
            over: Vec::new(),
            shared_account: false,
            now: cases.first().map_or_else(OffsetDateTime::now_utc, |case| case.now()),
            cases,
            account: None,
        };
        let effect = Effect::nothing_taken(Reply::text(502, PLAIN, text), Act::ORDINARY);
        self.write_down(&mut lock(&self.ledgers), facts, effect, None)
    }

    /// Takes in a request that did not come by the wire, with a known owner, at this time of the case.
    pub(super) fn inject(
        &self,
        case: &Arc<CaseState>,
        platform: &'static dyn Platform,
        mut request: Request,
        order: &OrderRef,
        now: OffsetDateTime,
    ) {
        let id = platform.id();
        request.body_bytes = request.body.len();
        let reading = self.accounts.view(id, |a| platform.read(&request, now, a));
        let owner = Owner { case: case.case.id, order: Some(order.clone()) };
        let account = reading.account.clone().filter(|key| self.accounts.is_known(id, key));
        let account = account.map(|key| (id, key));
        let ticket = {
            let mut ledgers = lock(&self.ledgers);
            let answer = platform.answer(&request, &reading, ledgers.of(account.as_ref()));
            let facts = Facts {
                platform: Some(platform),
                owners: vec![Some(owner); reading.items.len()],
                over: Vec::new(),
                shared_account: false,
                request,
                reading: Some(reading),
                cases: vec![Arc::clone(case)],
                account,
                now,
            };
            let effect = Effect::ordinary(answer, Act::ORDINARY);
            self.write_down(&mut ledgers, facts, effect, None).ticket
        };
        self.finish(&ticket, &Ending::Answered);
    }
}

const PLAIN: &str = "text/plain; charset=utf-8";

/// The answer to a request that was too long; nothing if the client left.
fn incomplete(request: &Request) -> Reply {
    if request.body_bytes > super::visit::READ_LIMIT {
        Reply::text(413, PLAIN, "request body too large\n")
    } else {
        Reply::default()
    }
}
