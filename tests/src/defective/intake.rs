//! Helpers for defects at the intake: reading a webhook, changing it, signing it as the store would.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::Value;
use sha2::Sha256;

use super::Incoming;

impl Incoming {
    /// A header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// The Shopify topic, if it is such a webhook.
    pub fn topic(&self) -> Option<&str> {
        self.header("x-shopify-topic")
    }

    /// True for a landing.
    pub fn is_landing(&self) -> bool {
        self.path.ends_with("/clicks")
    }

    /// True for a consent call.
    pub fn is_consent(&self) -> bool {
        self.path.ends_with("/consent")
    }

    /// The body as JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// Another body; a webhook is signed anew.
    pub fn set_json(&mut self, body: &Value) {
        self.body = body.to_string().into_bytes();
        self.sign();
    }

    /// Changes the body, if it is JSON.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Some(mut body) = self.json() {
            change(&mut body);
            self.set_json(&body);
        }
    }

    /// Signs the body as the shop named in the header would.
    pub fn sign(&mut self) {
        if self.topic().is_none() {
            return;
        }
        let Some(secret) = self.own_secrets().first().cloned() else { return };
        let signature = shopify(&secret, &self.body);
        self.headers.retain(|(name, _)| name != "x-shopify-hmac-sha256");
        self.headers.push(("x-shopify-hmac-sha256".to_owned(), signature));
    }

    /// Secrets of the shop named in the header.
    pub fn own_secrets(&self) -> &[String] {
        self.header("x-shopify-shop-domain")
            .and_then(|domain| self.secrets.get(domain))
            .map_or(&[], Vec::as_slice)
    }

    /// Whether the signature is right for one of these secrets.
    pub fn is_signed_with<'a>(&self, mut secrets: impl Iterator<Item = &'a String>) -> bool {
        let given = self.header("x-shopify-hmac-sha256");
        secrets.any(|secret| given == Some(shopify(secret, &self.body).as_str()))
    }
}

fn shopify(secret: &str, body: &[u8]) -> String {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(secret.as_bytes()) else {
        return String::new();
    };
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}
