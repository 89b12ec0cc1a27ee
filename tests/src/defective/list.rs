//! The defects. Adding one is an entry here; `cargo test` then demands that its case catches it.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    At, Defect, Incoming, Verdict, attribute,
    outlet::{key, key_field, sha256, success},
};

macro_rules! defects {
    ($($id:ident, $entry:literal, $case:literal: $does:literal => $at:expr;)*) => {
        /// All defects.
        pub static DEFECTS: &[Defect] = &[$(Defect {
            id: stringify!($id), does: $does, entry: $entry, caught_by: $case, at: $at,
        }),*];
    };
}

defects! {
    // Deduplication
    other_id_than_browser, "DED-01", "dedup/one_order_one_conversion/meta":
        "puts a prefix of its own before the shared event id" =>
        At::Outlet(|_, out| out.each_event(|p, e| e[key_field(p)] = json!(format!("srv-{}", key(p, e)))));
    no_event_id, "DED-02", "dedup/one_order_one_conversion/tiktok":
        "sends no event id" =>
        At::Outlet(|_, out| out.each_event(|p, e| remove(e, key_field(p))));
    undefined_event_id, "DED-02", "dedup/one_order_one_conversion/meta":
        "sends the literal undefined as event id" =>
        At::Outlet(|_, out| out.each_event(|p, e| e[key_field(p)] = json!("undefined")));
    other_event_name, "DED-03", "dedup/one_order_one_conversion/tiktok":
        "names the event CompletePayment where the pixel says Purchase" =>
        At::Outlet(|_, out| out.each_event(|_, e| e["event"] = json!("CompletePayment")));
    order_name_as_id, "DED-04", "dedup/one_order_one_conversion/data_manager":
        "uses the order's name where the browser uses its number" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            if let Some(order) = m.order_of(&key(p, e)) { e[key_field(p)] = order["name"].clone(); }
        }));
    counts_redeliveries, "DED-06", "dedup/webhook_redelivered/meta":
        "takes a redelivered webhook for a new order" =>
        At::Intake(|m, call| new_order_unless(call, |call| {
            m.first_time(format!("{:?} {:?}", call.topic(), call.header("x-shopify-webhook-id")))
        }));
    counts_every_topic, "DED-07", "dedup/many_topics/meta":
        "takes an update for an order of its own" =>
        At::Intake(|_, call| new_order_unless(call, |call| call.topic() != Some("orders/updated")));
    counts_parallel_copies, "DED-08", "dedup/parallel_copies/google_ads":
        "two copies that arrive together both pass its check" =>
        At::Intake(|m, call| new_order_unless(call, |call| {
            let id = call.json().map(|b| b["id"].to_string());
            let twice = !m.first_time(format!("{:?} {id:?}", call.topic()));
            !twice || m.next() > 1
        }));
    forgets_on_restart, "DED-10", "dedup/redelivered_after_restart/meta":
        "remembers what it has seen in process memory only" =>
        At::Intake(|m, call| {
            let restarted = m.restarted;
            new_order_unless(call, |call| !restarted || is_control(call))
        });
    one_id_per_customer, "DED-11", "dedup/three_orders_one_customer/meta":
        "derives the event id from the customer" =>
        At::Outlet(|_, out| out.each_event(|p, e| {
            let em = e["user_data"]["em"].to_string();
            e[key_field(p)] = json!(format!("customer_{}", &sha256(&em)[..12]));
        }));
    shops_share_ids, "DED-12", "dedup/same_number_in_two_shops/meta":
        "drops an order whose number another shop had" =>
        At::Intake(|m, call| {
            let Some(body) = call.json().filter(|_| is_order(call)) else { return Verdict::Pass };
            let shop = json!(call.header("x-shopify-shop-domain"));
            let number = format!("order {}", body["id"]);
            match m.landing_of(&number) {
                Some(first) if first != shop => Verdict::Answer(200),
                _ => {
                    m.keep_landing(&number, &shop);
                    Verdict::Pass
                }
            }
        });

    // Consent
    sends_despite_denial, "CON-01", "consent/denied/meta":
        "ignores a refusal" =>
        At::Intake(|_, call| { consent(call, |c| *c = granted()); Verdict::Pass });
    unknown_is_yes, "CON-02", "consent/unknown/tiktok/no_answer":
        "takes a missing answer for a yes" =>
        At::Intake(|_, call| {
            if call.is_landing() {
                call.edit(|b| if b["consent"].is_null() { b["consent"] = granted(); });
            }
            Verdict::Pass
        });
    claims_granted, "CON-03", "consent/user_data_denied/google_ads":
        "always tells the platform that consent was granted" =>
        At::Outlet(|_, out| out.each_event(|_, e| {
            e["consent"] = json!({ "adUserData": "GRANTED", "adPersonalization": "GRANTED" });
        }));
    reads_statistics_digit, "CON-04", "consent/gcs_digits/meta/g101":
        "reads the statistics digit of gcs" =>
        At::Intake(|_, call| {
            consent(call, |c| if let Some(gcs) = c["gcs"].as_str() {
                let digits: Vec<char> = gcs.chars().collect();
                if let [a, b, ads, stats] = digits[..] { c["gcs"] = json!(String::from_iter([a, b, stats, ads])); }
            });
            // The order's own copy of the answer would tell the truth.
            if is_order(call) {
                call.edit(|b| drop_attribute(b, "relay_consent"));
            }
            Verdict::Pass
        });
    ignores_user_data, "CON-06", "consent/user_data_denied/meta":
        "looks at ad storage only" =>
        At::Intake(|_, call| {
            consent(call, |c| if c["ads"] == "granted" { c["ads_user_data"] = json!("granted"); });
            Verdict::Pass
        });
    ignores_withdrawal, "CON-07", "consent/withdrawn_before_order/meta":
        "uses the consent of the click, whatever came later" =>
        At::Intake(|_, call| {
            if call.is_consent() { return Verdict::Answer(204); }
            call.edit(|b| drop_attribute(b, "relay_consent"));
            Verdict::Pass
        });
    withdrawal_misses_queue, "CON-09", "consent/withdrawn_while_queued/google_ads":
        "does not look at consent again once an order is queued" =>
        At::Intake(|_, call| if call.is_consent() { Verdict::Answer(204) } else { Verdict::Pass });
    grants_backwards, "CON-08", "consent/granted_after_click/meta":
        "keeps the click of a refusal and uses it after a later grant" =>
        At::Intake(|m, call| {
            let Some(body) = call.json() else { return Verdict::Pass };
            let visitor = body["visitor_id"].as_str().unwrap_or_default().to_owned();
            if call.is_landing() { m.keep_landing(&visitor, &body); }
            let landing = m.landing_of(&visitor).filter(|_| call.is_consent() && body["consent"]["store"] == "granted");
            let Some(mut landing) = landing else { return Verdict::Pass };
            landing["consent"] = body["consent"].clone();
            let mut again = call.clone();
            again.path = call.path.replace("/consent", "/clicks");
            again.set_json(&landing);
            Verdict::PassAlso(Box::new(again))
        });

    // Privacy
    plain_email, "PRV-01", "privacy/nothing_plain_leaves/meta":
        "sends the e-mail address in the clear in a field of its own" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            if let Some(order) = m.order_of(&key(p, e)) { e["custom_data"]["buyer"] = order["email"].clone(); }
        }));
    hashes_twice, "PRV-02", "privacy/email_forms/meta/hashed_already":
        "hashes what is hashed already" =>
        At::Outlet(|_, out| out.each_event(|_, e| each_hash(e, "em", sha256)));
    hash_of_nothing, "PRV-03", "privacy/missing_contact/meta/nothing_at_all":
        "hashes missing fields" =>
        At::Outlet(|_, out| out.each_event(|_, e| e["user_data"]["ph"] = json!([sha256("")])));
    hash_of_null, "PRV-04", "privacy/missing_contact/tiktok/nothing_at_all":
        "hashes the text null" =>
        At::Outlet(|_, out| out.each_event(|_, e| e["user"]["email"] = json!([sha256("null")])));
    hashes_as_typed, "PRV-05", "privacy/email_forms/meta/capitals_and_blanks":
        "hashes the e-mail address as typed" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            if let Some(email) = m.order_of(&key(p, e)).and_then(|o| o["email"].as_str().map(str::to_owned)) {
                e["user_data"]["em"] = json!([sha256(&email)]);
            }
        }));
    phone_without_country, "PRV-06", "privacy/phone_forms/tiktok/national_us":
        "hashes the phone number without its country code" =>
        At::Outlet(|_, out| out.each_event(|_, e| if !e["user"]["phone"].is_null() {
            e["user"]["phone"] = json!([sha256("2133734253")]);
        }));
    wrong_encoding_of_hash, "PRV-07", "privacy/nothing_plain_leaves/google_ads":
        "cuts its hashes" =>
        At::Outlet(|_, out| out.each_event(|_, e| {
            for id in e["userIdentifiers"].as_array_mut().into_iter().flatten() {
                if let Some(hash) = id["hashedEmail"].as_str() { id["hashedEmail"] = json!(hash[..40]); }
            }
        }));
    page_address_as_it_is, "PRV-10", "privacy/url_with_contact/meta/in_query":
        "sends the landing's address on as it is" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            let order = m.order_of(&key(p, e));
            if let Some(site) = order.and_then(|o| o["landing_site"].as_str().map(str::to_owned)) {
                e["event_source_url"] = json!(format!("https://shop.example{site}"));
            }
        }));
    attaches_webhook, "PRV-13", "privacy/nothing_plain_leaves/tiktok":
        "attaches the whole webhook" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            if let Some(order) = m.order_of(&key(p, e)) { e["properties"]["description"] = json!(order.to_string()); }
        }));
    contact_in_log, "PRV-12", "privacy/logs_without_contact/meta":
        "shows the buyer's e-mail address in its delivery log" =>
        At::Reply(|m, call, answer| {
            let order = call.path.split("order=").nth(1).and_then(|rest| m.order_of(rest.split('&').next()?));
            if let Some(order) = order.filter(|_| call.path.starts_with("/v1/deliveries")) {
                answer.rewrite("\"attempts\"", &format!("\"buyer\":{},\"attempts\"", order["email"]));
            }
        });

    // Stitching
    lower_cases_click_id, "STI-01", "stitching/click_id_reaches_order/google_ads":
        "lower-cases click ids" =>
        At::Outlet(|_, out| out.each_event(|_, e| text(e, "gclid", |id| id.to_lowercase())));
    cuts_click_id, "STI-01", "stitching/odd_click_ids/google_ads/two_hundred":
        "cuts click ids at a hundred characters" =>
        At::Outlet(|_, out| out.each_event(|_, e| text(e, "gclid", |id| id.chars().take(100).collect())));
    fbc_in_seconds, "STI-02", "stitching/fbc_is_built/meta":
        "writes the click's time in seconds" =>
        At::Outlet(|_, out| out.each_event(|_, e| fbc_time(e, |ms| ms / 1000)));
    fbc_of_the_order, "STI-03", "stitching/fbc_does_not_move/meta":
        "rebuilds the click id with the time of the order" =>
        At::Outlet(|_, out| out.each_event(|_, e| {
            let seconds = e["event_time"].as_i64().unwrap_or_default();
            fbc_time(e, |_| seconds * 1000);
        }));
    sends_malformed_fbc, "STI-04", "stitching/malformed_fbc/meta/empty_click":
        "passes a broken cookie on" =>
        At::Outlet(|_, out| out.each_event(|_, e| if e["user_data"]["fbc"].is_null() {
            e["user_data"]["fbc"] = json!("fb.1.1690000000000.");
        }));
    cuts_new_cookies, "STI-05", "stitching/fbc_from_cookie/meta/five_parts":
        "cuts the fifth part of cookies" =>
        At::Outlet(|_, out| out.each_event(|_, e| text(&mut e["user_data"], "fbc", |id| {
            id.split('.').take(4).collect::<Vec<_>>().join(".")
        })));
    invents_browser_id, "STI-06", "stitching/no_id_is_invented/meta":
        "makes up a browser id" =>
        At::Outlet(|m, out| out.each_event(|_, e| {
            e["user_data"]["fbp"] = json!(format!("fb.1.{}000.{}", now(), 1_000_000_000 + m.next()));
        }));
    needs_attribute, "STI-07", "stitching/join_keys/meta/cart":
        "joins by the order attribute only" =>
        At::Intake(|_, call| {
            if is_order(call) { call.edit(|b| { b["cart_token"] = Value::Null; b["checkout_token"] = Value::Null; }); }
            Verdict::Pass
        });
    decodes_twice, "STI-08", "stitching/landing_query/google_ads/percent_encoded_once":
        "decodes the landing's query twice" =>
        At::Outlet(|_, out| out.each_event(|_, e| text(e, "gclid", |id| id.replace('+', " "))));
    only_gclid, "STI-09", "stitching/braids/google_ads/gbraid":
        "sends every Google click id as gclid" =>
        At::Outlet(|_, out| out.each_event(|_, e| if !e["gbraid"].is_null() {
            e["gclid"] = e["gbraid"].take();
            remove(e, "gbraid");
        }));
    no_wbraid, "STI-09", "stitching/braids/google_ads/wbraid":
        "knows gclid and gbraid only" =>
        At::Outlet(|_, out| out.each_event(|p, e| if p == "google_ads" { remove(e, "wbraid"); }));
    direct_visit_erases, "STI-11", "stitching/direct_visit_keeps_click/google_ads":
        "forgets the click at a direct visit" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            let visitor = m.order_of(&key(p, e)).and_then(|o| attribute(&o, "relay_visitor_id"));
            let last = visitor.and_then(|v| m.landing_of(&v));
            if last.is_some_and(|l| !l["url"].to_string().contains("gclid")) {
                remove(e, "gclid");
            }
        }));
    first_click_wins, "STI-11", "stitching/last_paid_click_wins/google_ads":
        "keeps the first click for ever" =>
        At::Intake(|m, call| {
            let visitor = call.json().map(|b| b["visitor_id"].to_string());
            let again = call.is_landing() && !m.first_time(format!("landing {visitor:?}"));
            if again { Verdict::Answer(202) } else { Verdict::Pass }
        });
    first_campaign_for_ever, "STI-11", "stitching/each_order_has_its_click/google_ads":
        "hears of no landing any more once a visitor has bought" =>
        At::Intake(|m, call| {
            let Some(body) = call.json() else { return Verdict::Pass };
            if is_order(call) {
                let visitor = attribute(&body, "relay_visitor_id").unwrap_or_default();
                m.keep_landing(&format!("bought {visitor}"), &json!(true));
            } else if call.is_landing()
                && m.landing_of(&format!("bought {}", body["visitor_id"].as_str().unwrap_or_default())).is_some() {
                return Verdict::Answer(202);
            }
            Verdict::Pass
        });
    does_not_wait_for_landing, "STI-13", "stitching/landing_comes_late/google_ads":
        "does not wait for a landing that comes after the webhook" =>
        At::Intake(|m, call| {
            let Some(body) = call.json() else { return Verdict::Pass };
            if is_order(call) {
                m.first_time(format!("ordered {:?}", attribute(&body, "relay_visitor_id").unwrap_or_default()));
            } else if call.is_landing() {
                let visitor = body["visitor_id"].as_str().unwrap_or_default();
                if !m.first_time(format!("ordered {visitor:?}")) {
                    call.edit(|b| b["url"] = json!("https://shop.example/"));
                }
            }
            Verdict::Pass
        });
    own_address_as_shoppers, "STI-14", "stitching/shopper_address/meta":
        "sends the webhook sender's address and user agent" =>
        At::Outlet(|_, out| out.each_event(|_, e| {
            e["user_data"]["client_ip_address"] = json!("127.0.0.1");
            e["user_data"]["client_user_agent"] = json!("Shopify-Captain-Hook");
        }));

    // Payload
    minor_units, "PAY-02", "payload/currencies/meta/yen":
        "divides every amount by a hundred" =>
        At::Outlet(|_, out| out.each_event(|_, e| number(&mut e["custom_data"], "value", |v| v / 100.0)));
    presentment_amount, "PAY-04", "payload/presentment_currency/meta":
        "labels the customer's amount with the shop's currency" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            let shown = m.order_of(&key(p, e)).map(|o| o["total_price_set"]["presentment_money"]["amount"].clone());
            if let Some(amount) = shown.and_then(|a| a.as_str().and_then(|a| a.parse::<f64>().ok())) {
                e["custom_data"]["value"] = json!(amount);
            }
        }));
    assumes_dollars, "PAY-05", "payload/no_currency/meta":
        "takes a missing currency for US dollars" =>
        At::Intake(|_, call| {
            if is_order(call) { call.edit(|b| if b["currency"].is_null() { b["currency"] = json!("USD"); }); }
            Verdict::Pass
        });
    drops_zero_orders, "PAY-06", "payload/zero_value/meta":
        "drops orders of value zero" =>
        At::Intake(|_, call| {
            let zero = call.json().is_some_and(|b| b["total_price"].as_str().is_some_and(|t| t.parse() == Ok(0.0)));
            if zero { Verdict::Answer(200) } else { Verdict::Pass }
        });
    net_instead_of_total, "PAY-07", "payload/value_basis/tiktok":
        "sends the subtotal where it declares the total" =>
        At::Intake(|_, call| {
            if is_order(call) { call.edit(|b| b["total_price"] = b["subtotal_price"].clone()); }
            Verdict::Pass
        });
    time_of_sending, "PAY-08", "payload/time_of_the_order/meta":
        "stamps the event when it is sent" =>
        At::Outlet(|_, out| out.each_event(|_, e| e["event_time"] = json!(now())));
    milliseconds, "PAY-09", "dedup/one_order_one_conversion/tiktok":
        "sends milliseconds where seconds are asked for" =>
        At::Outlet(|_, out| out.each_event(|_, e| number(e, "event_time", |t| t * 1000.0)));
    drops_time_zone, "PAY-11", "payload/time_zones/google_ads/west":
        "drops the shop's time zone" =>
        At::Outlet(|_, out| out.each_event(|_, e| text(e, "conversionDateTime", |t| {
            format!("{}+00:00", t.chars().take(19).collect::<String>())
        })));
    test_orders_count, "PAY-12", "payload/test_order/meta":
        "sends test orders" =>
        At::Intake(|_, call| {
            if is_order(call) { call.edit(|b| { b["test"] = json!(false); b["payment_gateway_names"] = json!([]); }); }
            Verdict::Pass
        });
    test_code_left_on, "PAY-13", "dedup/one_order_one_conversion/meta":
        "left the test event code in its configuration" =>
        At::Outlet(|_, out| if out.platform() == "meta" { out.edit(|b| b["test_event_code"] = json!("TEST123")); });
    pos_as_web, "PAY-14", "payload/not_from_the_website/meta/point_of_sale":
        "reports point-of-sale orders as website purchases" =>
        At::Intake(|_, call| {
            if is_order(call) { call.edit(|b| b["source_name"] = json!("web")); }
            Verdict::Pass
        });
    pending_counts, "PAY-15", "payload/unpaid/meta/pending":
        "reports orders that nobody paid" =>
        At::Intake(|_, call| {
            if is_order(call) { call.edit(|b| b["financial_status"] = json!("paid")); }
            Verdict::Pass
        });
    ignores_refunds, "PAY-16", "payload/full_refund/google_ads":
        "does not report refunds" =>
        At::Intake(|_, call| match call.topic() {
            Some("refunds/create") => Verdict::Answer(200),
            _ => Verdict::Pass,
        });
    refund_as_new_value, "PAY-17", "payload/partial_refunds/google_ads":
        "restates the amount refunded instead of what is left" =>
        At::Outlet(|_, out| out.each_event(|_, e| number(&mut e["restatementValue"], "adjustedValue", |v| 100.0 - v)));
    ids_as_floats, "PAY-19", "payload/large_ids/meta":
        "reads ids as floating point numbers" =>
        At::Outlet(|_, out| out.each_event(|p, e| {
            let id = key(p, e);
            let number = id.strip_prefix("order_").and_then(|n| n.parse::<u64>().ok());
            let rounded = number.map(|n| format!("order_{}", n as f64 as u64));
            e[key_field(p)] = json!(rounded.unwrap_or(id));
        }));

    // Reliability
    trusts_status_200, "REL-01", "failures/rows_fail_for_now/google_ads":
        "does not read the body of a 200" =>
        At::Answer(|_, out, answer| if answer.status == 200 && out.platform() == "google_ads" {
            answer.replace(200, &success(out));
        });
    took_nothing_is_fine, "REL-01", "failures/false_success/meta/nothing_taken":
        "does not look at how many events were received" =>
        At::Answer(|_, out, answer| if answer.status == 200 && out.platform() == "meta" {
            answer.replace(200, &success(out));
        });
    retries_refusals, "REL-04", "failures/permanent_refusal/meta":
        "tries a final refusal again and again" =>
        At::Answer(|_, _, answer| if answer.status == 400 { answer.replace(503, &json!({})); });
    gives_up_on_429, "REL-05", "failures/transient_statuses/meta/status_429":
        "takes a 429 for final" =>
        At::Answer(|_, _, answer| if answer.status == 429 {
            answer.replace(400, &json!({ "error": { "code": 100, "error_subcode": 2_804_003, "message": "Invalid parameter" } }));
        });
    ignores_retry_after, "REL-06", "failures/rate_limited/meta/seconds":
        "comes back before it was asked to" =>
        At::Answer(|_, _, answer| answer.headers.retain(|(name, _)| name != "retry-after"));
    heeds_one_retry_after, "REL-06", "failures/rate_limited/tiktok/seconds":
        "heeds the first request to wait and no further one" =>
        At::Answer(|m, out, answer| if answer.headers.iter().any(|(name, _)| name == "retry-after")
            && !m.first_time(format!("asked to wait {}", String::from_utf8_lossy(&out.body))) {
            answer.headers.retain(|(name, _)| name != "retry-after");
        });
    new_id_per_attempt, "REL-09", "failures/lost_answers/meta/reset":
        "makes a new event id for each attempt" =>
        At::Outlet(|m, out| out.each_event(|p, e| {
            let id = key(p, e);
            if !m.first_time(format!("attempt {p} {id}")) { e[key_field(p)] = json!(format!("{id}-{}", m.next())); }
        }));
    never_retries, "REL-10", "failures/blip/meta":
        "sends once and forgets" =>
        At::Answer(|_, out, answer| if answer.status >= 500 { answer.replace(200, &success(out)); });
    log_says_delivered, "REL-11", "failures/permanent_refusal/tiktok":
        "its log says delivered whatever happened" =>
        At::Reply(|_, call, answer| if call.path.starts_with("/v1/deliveries") {
            answer.rewrite("\"dead\"", "\"delivered\"");
            answer.rewrite("\"rejected\"", "\"delivered\"");
        });
    log_says_delivered_at_once, "REL-11", "failures/an_hour_of_outage/meta":
        "its log says delivered as soon as it tries" =>
        At::Reply(|_, call, answer| if call.path.starts_with("/v1/deliveries") {
            answer.rewrite("\"pending\"", "\"delivered\"");
        });
    queue_in_memory, "REL-13", "failures/killed_with_work_queued/meta/kill":
        "acknowledges before the order is durable" =>
        At::Intake(|_, call| if is_order(call) && !is_control(call) {
            Verdict::AnswerThenPass(200, Duration::from_secs(30))
        } else {
            Verdict::Pass
        });
    html_is_success, "REL-15", "failures/false_success/google_ads/html":
        "takes any 200 for success" =>
        At::Answer(|_, out, answer| if answer.status == 200 && out.platform() != "google_oauth" {
            answer.replace(200, &success(out));
        });
    follows_redirects, "REL-15", "failures/redirect/meta":
        "follows redirects" =>
        At::Outlet(|_, out| out.follow = true);
    discards_on_bad_token, "REL-16", "failures/expired_token/meta":
        "discards events while its token is bad" =>
        At::Answer(|_, _, answer| if answer.status == 401 {
            answer.replace(400, &json!({ "error": { "code": 100, "error_subcode": 2_804_003, "message": "Invalid parameter" } }));
        });
    waits_for_a_refused_token, "REL-16", "failures/access_token_refreshed/google_ads":
        "takes a refused access token for an outage and tries again with the same" =>
        At::Answer(|_, out, answer| if out.platform() == "google_ads" && answer.status == 401 {
            answer.replace(503, &json!({ "error": { "code": 503, "status": "UNAVAILABLE" } }));
        });
    forgets_erasure, "RES-07", "webhooks/erased_while_queued/meta/email_in_capitals":
        "acknowledges an erasure and does nothing" =>
        At::Intake(|_, call| match call.topic() {
            Some("customers/redact") => Verdict::Answer(200),
            None if call.path.ends_with("/erasure") => Verdict::Answer(202),
            _ => Verdict::Pass,
        });
    always_healthy, "OPS-11", "failures/health_says_so/meta":
        "says that it is healthy whatever happens" =>
        At::Reply(|_, call, answer| if call.path.starts_with("/v1/health") { answer.replace(200, &json!({ "status": "healthy" })); });
    calls_home, "RES-02", "dedup/one_order_one_conversion/meta":
        "reports to a host that nobody declared" =>
        At::Outlet(|_, out| if out.platform() == "meta" { out.also = Some(("telemetry.example.net", out.body.clone())); });

    // Webhook intake
    checks_no_signature, "WHK-01", "webhooks/bad_signatures/meta/flipped":
        "does not check signatures" =>
        At::Intake(|_, call| { call.sign(); Verdict::Pass });
    open_without_header, "WHK-02", "webhooks/bad_signatures/meta/missing":
        "skips the check if the header is missing" =>
        At::Intake(|_, call| {
            if call.header("x-shopify-hmac-sha256").is_none() { call.sign(); }
            Verdict::Pass
        });
    open_without_secret, "WHK-02", "webhooks/no_secret_configured/meta":
        "answers 200 without a configured secret" =>
        At::Reply(|_, call, answer| if call.topic().is_some() && answer.status == 503 { answer.status = 200; });
    signs_rewritten_json, "WHK-03", "webhooks/raw_bytes/meta/pretty":
        "checks the signature of JSON that it has written anew" =>
        At::Intake(|_, call| {
            let rewritten = call.json().map(|b| b.to_string().into_bytes());
            if call.topic().is_some() && rewritten.as_ref() != Some(&call.body) { Verdict::Answer(401) } else { Verdict::Pass }
        });
    any_shops_secret, "WHK-05", "webhooks/other_shops_secret/meta":
        "takes a signature of any shop" =>
        At::Intake(|_, call| {
            let secrets = std::sync::Arc::clone(&call.secrets);
            if call.is_signed_with(secrets.values().flatten()) { call.sign(); }
            Verdict::Pass
        });
    slow_acknowledgement, "WHK-06", "webhooks/quick_acknowledgement/meta":
        "acknowledges only after a long while" =>
        At::Intake(|_, call| if is_order(call) { Verdict::PassLater(Duration::from_millis(5_500)) } else { Verdict::Pass });
    swallows_unreadable, "WHK-08", "webhooks/unreadable_body/meta":
        "acknowledges bodies that it cannot read" =>
        At::Reply(|_, call, answer| if call.topic().is_some() && answer.status == 400 { answer.status = 200; });
    refuses_other_topics, "WHK-08", "webhooks/topic_of_no_interest/meta":
        "fails on topics of no interest" =>
        At::Intake(|_, call| match call.topic() {
            Some("orders/create" | "orders/paid" | "orders/updated" | "refunds/create") | None => Verdict::Pass,
            Some(_) => Verdict::Answer(500),
        });
    stale_state_wins, "WHK-09", "webhooks/paid_before_created/meta":
        "ignores a paid webhook for an order that it does not know yet" =>
        At::Intake(|m, call| {
            let id = call.json().map(|b| b["id"].to_string()).unwrap_or_default();
            match call.topic() {
                Some("orders/create") => {
                    m.first_time(format!("created {id}"));
                    call.edit(|b| b["financial_status"] = json!("pending"));
                    Verdict::Pass
                }
                Some("orders/paid") if m.first_time(format!("created {id}")) => Verdict::Answer(200),
                _ => Verdict::Pass,
            }
        });
    one_secret_only, "WHK-12", "webhooks/secret_rotation/meta/old_secret":
        "knows one secret only" =>
        At::Intake(|_, call| {
            let current = call.own_secrets().first().cloned();
            if call.topic().is_some() && !call.is_signed_with(current.iter()) { Verdict::Answer(401) } else { Verdict::Pass }
        });
    nulls_crash, "WHK-13", "webhooks/null_fields/meta/customer":
        "crashes on a null customer" =>
        At::Intake(|_, call| {
            let crash = is_order(call) && call.json().is_some_and(|b| b["customer"].is_null());
            if crash { Verdict::Answer(500) } else { Verdict::Pass }
        });
}

fn is_order(call: &Incoming) -> bool {
    call.topic().is_some_and(|topic| topic.starts_with("orders/"))
}

/// The harness's own control order is told by its words in nothing: it is the order that comes last. Defects that must
/// leave it alone look at the value that only it has.
fn is_control(call: &Incoming) -> bool {
    call.json().is_some_and(|b| b["name"].as_str().is_some_and(|n| n.contains("control")))
}

/// Gives the order another id (as a relay that does not recognise it would) unless `known` says it is the one.
fn new_order_unless(call: &mut Incoming, known: impl FnOnce(&Incoming) -> bool) -> Verdict {
    if is_order(call) && !known(call) {
        call.edit(|b| {
            if let Some(id) = b["id"].as_u64() {
                b["id"] = json!(id + 700_000_000);
            }
        });
        call.headers
            .retain(|(name, _)| name != "x-shopify-webhook-id" && name != "x-shopify-event-id");
    }
    Verdict::Pass
}

fn granted() -> Value {
    json!({ "store": "granted", "ads": "granted", "ads_user_data": "granted", "ads_personalise": "granted" })
}

/// Changes the consent that a landing, a consent call or an order carries.
fn consent(call: &mut Incoming, change: impl Fn(&mut Value)) {
    if call.is_landing() || call.is_consent() {
        call.edit(|b| {
            if !b["consent"].is_null() {
                change(&mut b["consent"]);
            }
        });
    } else if is_order(call) {
        call.edit(|b| {
            for a in b["note_attributes"].as_array_mut().into_iter().flatten() {
                if a["name"] != "relay_consent" {
                    continue;
                }
                let text = a["value"].as_str().unwrap_or_default().to_owned();
                let mut decisions: Value = text
                    .split(';')
                    .filter_map(|p| p.split_once('='))
                    .map(|(k, v)| {
                        (k.to_owned(), json!(if v == "1" { "granted" } else { "denied" }))
                    })
                    .collect::<serde_json::Map<_, _>>()
                    .into();
                change(&mut decisions);
                let parts: Vec<String> = decisions
                    .as_object()
                    .into_iter()
                    .flatten()
                    .map(|(k, v)| format!("{k}={}", u8::from(v == "granted")))
                    .collect();
                a["value"] = json!(parts.join(";"));
            }
        });
    }
}

fn drop_attribute(order: &mut Value, name: &str) {
    if let Some(list) = order.get_mut("note_attributes").and_then(Value::as_array_mut) {
        list.retain(|a| a["name"] != name);
    }
}

fn remove(event: &mut Value, field: &str) {
    if let Some(map) = event.as_object_mut() {
        map.shift_remove(field);
    }
}

fn text(event: &mut Value, field: &str, change: impl Fn(&str) -> String) {
    if let Some(old) = event.get(field).and_then(Value::as_str) {
        event[field] = json!(change(old));
    }
}

fn number(event: &mut Value, field: &str, change: impl Fn(f64) -> f64) {
    if let Some(old) = event.get(field).and_then(Value::as_f64) {
        let new = change(old);
        event[field] = if new.fract() == 0.0 { json!(new as i64) } else { json!(new) };
    }
}

fn each_hash(event: &mut Value, field: &str, change: impl Fn(&str) -> String) {
    for hash in event["user_data"][field].as_array_mut().into_iter().flatten() {
        if let Some(old) = hash.as_str() {
            *hash = json!(change(old));
        }
    }
}

fn fbc_time(event: &mut Value, change: impl Fn(i64) -> i64) {
    text(&mut event["user_data"], "fbc", |fbc| {
        let mut parts: Vec<String> = fbc.split('.').map(str::to_owned).collect();
        if let Some(ms) = parts.get(2).and_then(|p| p.parse().ok()) {
            parts[2] = change(ms).to_string();
        }
        parts.join(".")
    });
}

fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
