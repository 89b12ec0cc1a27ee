//! The traceable values of a case, by the names under which scenarios refer to them.

use std::collections::BTreeMap;

use super::{Order, Person};
use crate::sut::{profile::Profile, template::event_id};

/// Traceable values by name; the shopper's and the first order's also without `NAME.`.
pub(super) fn values<'a>(
    people: &BTreeMap<String, Person>,
    orders: impl Iterator<Item = &'a Order>,
    profile: &Profile,
) -> Result<BTreeMap<String, String>, String> {
    let mut values = BTreeMap::new();
    for (name, person) in people {
        for (key, value) in of_person(person) {
            if name == "shopper" {
                values.insert(key.clone(), value.clone());
            }
            values.insert(format!("{name}.{key}"), value);
        }
    }
    for (i, order) in orders.enumerate() {
        for (key, value) in of_order(order, profile)? {
            if i == 0 && key.starts_with("canary_") {
                values.insert(key.clone(), value.clone());
            }
            values.insert(format!("{}.{key}", order.id), value);
        }
    }
    Ok(values)
}

fn of_person(person: &Person) -> Vec<(String, String)> {
    let contact = &person.contact;
    let fields = [
        ("visitor_id", Some(&person.visitor_id)),
        ("ip", Some(&person.ip)),
        ("user_agent", Some(&person.user_agent)),
        ("email", contact.email.as_ref()),
        ("phone", contact.phone.as_ref()),
        ("first_name", contact.first_name.as_ref()),
        ("last_name", contact.last_name.as_ref()),
        ("customer_id", contact.customer_id.as_ref()),
    ];
    let fields =
        fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?.clone())));
    fields.chain(person.ids.clone()).collect()
}

fn of_order(order: &Order, profile: &Profile) -> Result<Vec<(String, String)>, String> {
    let mut fields = vec![
        ("numeric_id".to_owned(), order.numeric_id.to_string()),
        ("name".to_owned(), order.name.clone()),
        ("token".to_owned(), order.token.clone()),
        ("event_id".to_owned(), event_id(&profile.policies, order).map_err(|e| e.to_string())?),
        ("product_id".to_owned(), order.product_id.to_string()),
        ("total".to_owned(), order.total.to_string()),
    ];
    fields.extend(
        order.checkout_token.iter().map(|token| ("checkout_token".to_owned(), token.clone())),
    );
    fields.extend(order.cart_token.iter().map(|token| ("cart_token".to_owned(), token.clone())));
    fields
        .extend(order.canaries.iter().map(|(kind, text)| (format!("canary_{kind}"), text.clone())));
    Ok(fields)
}
