//! The operator's questions, and how wrong ones are answered.

use wiremock::MockServer;

use crate::support::{Relay, meta_shop};

#[tokio::test(flavor = "multi_thread")]
async fn a_number_out_of_range_is_refused_with_its_name_and_the_range() {
    let relay = Relay::start(&meta_shop(&MockServer::start().await)).await;
    for path in ["/v1/deliveries", "/v1/dead-letters"] {
        for (query, field) in [
            ("limit=-1", "limit"),
            ("limit=0", "limit"),
            ("limit=abc", "limit"),
            ("limit=1.5", "limit"),
            ("limit=99999999", "limit"),
            ("limit=99999999999999999999", "limit"),
            ("after=-1", "after"),
            ("after=x", "after"),
        ] {
            let (status, answer) = relay.get(&format!("{path}?{query}")).await;
            assert_eq!(
                (status, answer["error"]["field"].as_str()),
                (400, Some(field)),
                "{query}: {answer}"
            );
            let message = answer["error"]["message"].as_str().unwrap();
            assert!(message.starts_with("expected a whole number"), "{message}");
        }
        for query in ["limit=1", "limit=1000", "limit=", "after=0"] {
            assert_eq!(relay.get(&format!("{path}?{query}")).await.0, 200, "{query}");
        }
    }
}
