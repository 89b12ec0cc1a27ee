//! Everything in one JSON document, for programs. Its form is `schema`; a field is never renamed within one number,
//! new fields may appear.

use serde_json::json;

use super::{Report, delivery::deliveries, tally};
use crate::verdict::Summary;

/// Version of the document's form. Documented in `harness/REPORT.md`.
pub const SCHEMA: u32 = 2;

/// The JSON report.
#[derive(Debug, Clone, Copy)]
pub struct Json;

impl Report for Json {
    fn id(&self) -> &'static str {
        "json"
    }

    fn says(&self) -> &'static str {
        "all verdicts, findings and evidence in one document with a versioned form"
    }

    fn render(&self, summary: &Summary) -> Result<String, String> {
        let (rows, sum) = tally::table(&summary.cases);
        let (deliveries, all) = deliveries(&summary.cases);
        let row = |row: &tally::Row| {
            let mut out = serde_json::Map::new();
            out.insert("orders".into(), row.orders.into());
            for (i, (outcome, _)) in tally::OUTCOMES.iter().enumerate() {
                let key = serde_json::to_value(outcome).ok()?.as_str()?.to_owned();
                out.insert(key, json!({ "orders": row.outcomes[i], "not_right": row.wrong[i] }));
            }
            Some(serde_json::Value::Object(out))
        };
        let statuses: serde_json::Map<_, _> = tally::statuses(&summary.cases)
            .into_iter()
            .filter_map(|(status, n)| {
                Some((serde_json::to_value(status).ok()?.as_str()?.to_owned(), n.into()))
            })
            .collect();
        let table: serde_json::Map<_, _> =
            rows.iter().filter_map(|(name, r)| Some((name.clone(), row(r)?))).collect();
        let document = json!({
            "schema": SCHEMA,
            "tool": { "name": "harness", "version": env!("CARGO_PKG_VERSION") },
            "exit_code": tally::exit_code(summary),
            "statuses": statuses,
            "orders_by_platform": table,
            "orders": row(&sum),
            "deliveries_by_platform": deliveries,
            "deliveries": all,
            "run": summary,
        });
        serde_json::to_string_pretty(&document).map(|s| s + "\n").map_err(|e| e.to_string())
    }
}
