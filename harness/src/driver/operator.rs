//! What the operator does in a case: erasure, credentials, replays, the clock, restarts.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{Driver, Fault, named};
use crate::{
    exchange::OrderRef,
    history::{Call, Did},
    inputs::Redaction,
    scenario::{ClockStep, CredentialsStep, EraseStep, LogState, ReplayStep, Stop},
    sut::process::StartError,
};

/// A dead letter may be written a moment after its last attempt's answer; the relay gives no sign but its own log.
const DEAD_WITHIN: Duration = Duration::from_secs(3);
/// Pause between two looks at the log.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

impl Driver<'_> {
    /// Asks for a person to be forgotten: by the relay's own call where the step says how the person is named, else by
    /// the store's erasure webhook if the relay takes that store's format.
    pub(super) async fn erase(&mut self, index: usize, step: &EraseStep) -> Result<(), Fault> {
        let by = named(step.by.as_ref());
        let person = self.person(by)?;
        let shop_index = self.shop_of(Some(index), by);
        let shop = self.shop(shop_index)?;
        let orders: Vec<u64> =
            self.orders.iter().filter(|o| o.by == by).map(|o| o.order.numeric_id).collect();
        let names = |name: &str| step.named_by.iter().any(|named| named == name);
        let all = step.named_by.is_empty();
        let email =
            person.contact.email.as_ref().filter(|_| all || names("email") || names("email_upper"));
        let email =
            email.map(|text| if names("email_upper") { text.to_uppercase() } else { text.clone() });
        let customer_id =
            person.contact.customer_id.clone().filter(|_| all || names("customer_id"));
        let phone = person.contact.phone.clone().filter(|_| all);
        let orders = if all || names("orders") { orders } else { Vec::new() };

        let send = &self.stage.profile.send;
        let by_store = send.webhooks.contains_key("shopify");
        let outgoing = match &send.erase {
            Some(template) if !all || !by_store => {
                let mut facts = self.facts(shop);
                let order_ids: Vec<String> = orders.iter().map(u64::to_string).collect();
                let own = json!({
                    "visitor_id": all.then_some(&person.visitor_id),
                    "email": email,
                    "phone": phone,
                    "customer_id": customer_id,
                    "order_ids": (!order_ids.is_empty()).then_some(order_ids),
                });
                if let Value::Object(own) = own {
                    facts.extend(own);
                }
                self.render("send.erase", template, facts, super::call::ANSWER_LIMIT)?
            }
            _ if by_store => {
                self.erasure_webhook(shop_index, Redaction { customer_id, email, phone, orders })?
            }
            _ => return Err(Fault("the profile offers no way to erase a person".into())),
        };
        let call = self.send(outgoing).await;
        self.operator(index, "erase", call);
        Ok(())
    }

    /// A new credential at the platform, and at the relay.
    pub(super) async fn credentials(
        &mut self,
        index: usize,
        step: &CredentialsStep,
    ) -> Result<(), Fault> {
        let template = self.stage.profile.send.credentials.as_ref();
        let template =
            template.ok_or_else(|| Fault("the profile offers no send.credentials".into()))?;
        let platform = step.platform.as_deref().unwrap_or(self.stage.case.platform);
        let shop = self.shop(0)?;
        let field = match shop.accounts.get(platform) {
            Some(account) if account.fields.contains_key("refresh_token") => "refresh_token",
            Some(_) => "access_token",
            None => return Err(Fault(format!("the shop has no account at `{platform}`"))),
        };
        let credential = self.stage.gateway.replace_credential(platform, shop.index);
        let mut facts = self.facts(shop);
        for (name, value) in [("platform", platform), ("field", field), ("credential", &credential)]
        {
            facts.insert(name, value);
        }
        let call = self.call("send.credentials", template, facts).await?;
        self.operator(index, "credentials", call);
        Ok(())
    }

    /// Dead letters again, found in the relay's own log.
    pub(super) async fn replay(&mut self, index: usize, step: &ReplayStep) -> Result<(), Fault> {
        let template = self.stage.profile.send.replay.as_ref();
        let template = template.ok_or_else(|| Fault("the profile offers no send.replay".into()))?;
        let wanted = step.order.clone().map(OrderRef::Named);
        let begin = Instant::now();
        let dead = loop {
            let log = self.read_log().await;
            let dead: Vec<(String, usize)> = log
                .entries
                .into_iter()
                .filter(|listed| listed.entry.state == Some(LogState::Dead))
                .filter(|listed| listed.entry.platform == self.stage.case.platform)
                .filter(|listed| wanted.as_ref().is_none_or(|order| listed.entry.order == *order))
                .filter_map(|listed| Some((listed.id?, listed.shop)))
                .collect();
            if !dead.is_empty() || begin.elapsed() > DEAD_WITHIN {
                break dead;
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        };
        if dead.is_empty() {
            self.fail(
                Some(index),
                "the relay's log shows no dead letter to send again".into(),
                false,
            );
        }
        for (id, shop) in dead {
            let mut answers = Vec::new();
            for _ in 0..step.times.unwrap_or(1) {
                let mut facts = self.facts(self.shop(shop)?);
                facts.insert("id", id.clone());
                let call = self.call("send.replay", template, facts).await?;
                answers.push(call.status);
                self.operator(index, "replay", call);
            }
            // Asked again it may well say that there is nothing left to send.
            if !answers.iter().flatten().any(|status| (200..300).contains(status)) {
                let said = answers.first().copied().flatten();
                let said = said.map_or_else(|| "no answer".to_owned(), |s| format!("status {s}"));
                let why =
                    format!("the relay did not take the call to send a dead letter again: {said}");
                self.fail(Some(index), why, false);
            }
        }
        Ok(())
    }

    /// The case's time and the relay's move on together: the platforms' first, so that no event comes from their future.
    pub(super) async fn clock(&mut self, index: usize, step: &ClockStep) -> Result<(), Fault> {
        let template = self.stage.profile.send.clock.as_ref();
        let template = template.ok_or_else(|| Fault("the profile offers no send.clock".into()))?;
        let by = step.advance.signed();
        let mut facts = self.stage.relay.call_facts();
        facts.insert("advance_seconds", by.whole_seconds());
        self.stage.gateway.advance(by);
        let call = self.call("send.clock", template, facts).await?;
        let moved = call.status.is_some_and(|status| (200..300).contains(&status));
        self.operator(index, "clock", call);
        if !moved {
            self.fail(Some(index), "the relay's clock could not be moved".into(), false);
        }
        self.note(Some(index), Did::ClockMoved { by });
        Ok(())
    }

    pub(super) async fn restart(&mut self, index: usize, how: Stop) {
        match self.stage.relay.restart(how).await {
            Ok(away) => self.note(Some(index), Did::Restarted { away }),
            Err(error @ StartError::NotReady { .. }) => {
                let why = format!("failed to restart the relay: {error}");
                self.note(Some(index), Did::StillAway { why });
            }
            Err(error) => {
                // Nobody knows whose it is: no verdict, neither way.
                let harness = matches!(error, StartError::PortTaken(_));
                self.fail(Some(index), format!("failed to restart the relay: {error}"), harness)
            }
        }
    }

    fn operator(&mut self, index: usize, name: &'static str, call: Call) {
        self.note(Some(index), Did::Operator { name, call });
    }
}
