//! What follows a first payment: charges given back, and invoices of subscriptions.

use serde_json::{Value, json};

use super::{
    has_prefix,
    session::{address, details, full_name, metadata, payment_intent},
};
use crate::inputs::{InputFault, OrderView, RefundFacts, inspection::Inspection, money};

/// The charge with the sum of all refunds so far, and what it showed before this one.
pub(super) fn refunded(
    view: &OrderView<'_>,
    facts: &RefundFacts,
) -> Result<(Value, Value), InputFault> {
    let order = view.order;
    let minor = |amount| money::minor(amount, &order.currency);
    let (amount, given_back) = (minor(view.total)?, minor(view.refunded)?);
    let before = minor(view.refunded - facts.amount)?;
    let object = json!({
        "id": format!("ch_{}", order.token),
        "object": "charge",
        "amount": amount,
        "amount_captured": amount,
        "amount_refunded": given_back,
        "balance_transaction": format!("txn_{}", order.token),
        "billing_details": details(&order.contact, view),
        "captured": true,
        "created": view.placed_at.unix_timestamp(),
        "currency": order.currency.to_ascii_lowercase(),
        "customer": null,
        "disputed": false,
        "livemode": !order.test,
        "metadata": metadata(view),
        "paid": true,
        "payment_intent": payment_intent(view),
        "receipt_email": null,
        // True once nothing is left.
        "refunded": given_back >= amount,
        "status": "succeeded",
    });
    Ok((object, json!({"amount_refunded": before, "receipt_url": null})))
}

/// A renewal's invoice: no session, no browser, and the shop's attributes by the subscription.
pub(super) fn invoice(view: &OrderView<'_>) -> Result<Value, InputFault> {
    let order = view.order;
    let contact = &order.contact;
    let minor = |amount| money::minor(amount, &order.currency);
    let total = minor(view.total)?;
    let placed = view.placed_at.unix_timestamp();
    Ok(json!({
        "id": format!("in_{}", order.token),
        "object": "invoice",
        "amount_due": total,
        "amount_paid": total,
        "amount_remaining": 0,
        "attempt_count": 1,
        "billing_reason": "subscription_cycle",
        "charge": format!("ch_{}", order.token),
        "collection_method": "charge_automatically",
        "created": placed,
        "currency": order.currency.to_ascii_lowercase(),
        "customer": format!("cus_{}", contact.customer_id.as_deref().unwrap_or("0")),
        "customer_address": address(contact, view),
        "customer_email": contact.email,
        "customer_name": full_name(contact),
        "customer_phone": contact.phone,
        "livemode": !order.test,
        "metadata": metadata(view),
        "number": order.name.trim_start_matches('#'),
        "paid": true,
        "payment_intent": payment_intent(view),
        "period_end": placed,
        "period_start": placed,
        "status": "paid",
        "status_transitions": {"finalized_at": placed, "paid_at": placed},
        "subscription": format!("sub_{}", contact.customer_id.as_deref().unwrap_or("0")),
        "subscription_details": {"metadata": metadata(view)},
        "subtotal": minor(order.subtotal)?,
        "tax": minor(order.tax)?,
        "total": total,
    }))
}

/// Rules for a charge.
pub(super) fn inspect_charge(seen: &mut Inspection<'_>) {
    seen.need("/data/object/id", "`ch_` and an id", |id| has_prefix(id, "ch_"));
    for field in ["amount", "amount_captured", "amount_refunded", "created"] {
        seen.need(&format!("/data/object/{field}"), "an integer", Value::is_i64);
    }
    seen.need("/data/object/refunded", "true or false", Value::is_boolean);
    seen.need("/data/object/payment_intent", "`pi_` and an id", |id| has_prefix(id, "pi_"));
    seen.need("/data/previous_attributes/amount_refunded", "an integer", Value::is_i64);
}

/// Rules for an invoice.
pub(super) fn inspect_invoice(seen: &mut Inspection<'_>) {
    seen.need("/data/object/id", "`in_` and an id", |id| has_prefix(id, "in_"));
    for field in ["amount_due", "amount_paid", "total", "subtotal", "created"] {
        seen.need(&format!("/data/object/{field}"), "an integer", Value::is_i64);
    }
    seen.one_of("/data/object/billing_reason", &["subscription_cycle", "subscription_create"]);
    seen.one_of("/data/object/status", &["paid"]);
}
