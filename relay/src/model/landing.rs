//! Landing URLs: click ids out of the query without altering a byte, and a form of the URL that may leave the house.

/// Longest URL that is read; what is longer is cut before reading.
const LONGEST: usize = 8192;

/// Parameters that `clean_url` keeps, besides `utm_*`.
const CLICK_IDS: [&str; 5] = ["gclid", "gbraid", "wbraid", "fbclid", "ttclid"];

/// Value of the first non-empty query parameter of that name (any case), percent-decoded exactly once.
///
/// `+` stays `+`: click ids never hold spaces. Bytes that do not decode to text leave the value as it was.
#[must_use]
pub fn query_value(url: &str, name: &str) -> Option<String> {
    pairs(url)
        .filter(|(key, _)| decode(key).eq_ignore_ascii_case(name))
        .map(|(_, value)| decode(value))
        .find(|value| !value.is_empty())
}

/// Scheme, host, path and the click ids and `utm_*` of the query, as they were. `None` unless http(s).
///
/// A path that seems to hold an address, a token or an order's secret becomes `/`.
#[must_use]
pub fn clean_url(url: &str) -> Option<String> {
    let mut clean = origin_and_path(url)?;
    let kept = pairs(url).filter(|(key, value)| {
        let name = decode(key).to_ascii_lowercase();
        let wanted = CLICK_IDS.contains(&name.as_str()) || name.starts_with("utm_");
        wanted && !value.is_empty() && !holds_address(value)
    });
    for (i, (key, value)) in kept.enumerate() {
        clean.push(if i == 0 { '?' } else { '&' });
        clean.push_str(key);
        clean.push('=');
        clean.push_str(value);
    }
    Some(clean)
}

/// Scheme, host and path of a referrer, with the same care for the path.
#[must_use]
pub fn clean_referrer(url: &str) -> Option<String> {
    origin_and_path(url)
}

/// The absolute form of a landing that a store gives as path and query.
#[must_use]
pub fn absolute(landing: &str, shop_page: &str) -> Option<String> {
    if landing.starts_with("http://") || landing.starts_with("https://") {
        return Some(landing.to_owned());
    }
    let base = url::Url::parse(shop_page).ok()?;
    let host = base.host_str()?;
    let port = base.port().map(|p| format!(":{p}")).unwrap_or_default();
    landing.starts_with('/').then(|| format!("{}://{host}{port}{landing}", base.scheme()))
}

fn origin_and_path(url: &str) -> Option<String> {
    let parsed = url::Url::parse(bounded(url)).ok()?;
    if !matches!(parsed.scheme(), "http" | "https") {
        return None;
    }
    let host = parsed.host_str()?;
    let port = parsed.port().map(|p| format!(":{p}")).unwrap_or_default();
    let path = if is_private_path(parsed.path()) { "/" } else { parsed.path() };
    Some(format!("{}://{host}{port}{path}", parsed.scheme()))
}

fn is_private_path(path: &str) -> bool {
    let segments: Vec<&str> = path.split('/').filter(|s| !s.is_empty()).collect();
    segments.iter().enumerate().any(|(i, segment)| {
        let lower = segment.to_ascii_lowercase();
        let guarded = matches!(
            lower.as_str(),
            "authenticate" | "orders" | "order" | "account" | "checkouts" | "thank_you"
        );
        (guarded && segments.get(i + 1).is_some())
            || lower == "authenticate"
            || holds_address(segment)
            || is_token(segment)
    })
}

fn holds_address(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    lower.contains('@') || lower.contains("%40") || lower.contains("%2540")
}

/// A long run of letters and digits without words: a secret rather than a page name.
fn is_token(segment: &str) -> bool {
    let digits = segment.bytes().filter(u8::is_ascii_digit).count();
    segment.len() >= 20
        && segment.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && digits >= 4
}

fn pairs(url: &str) -> impl Iterator<Item = (&str, &str)> {
    let url = bounded(url);
    let url = url.split('#').next().unwrap_or_default();
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")))
}

fn bounded(url: &str) -> &str {
    let mut end = url.len().min(LONGEST);
    while !url.is_char_boundary(end) {
        end -= 1;
    }
    url.get(..end).unwrap_or_default()
}

fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut i = 0;
    while let Some(&byte) = bytes.get(i) {
        let hex = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (byte, hex(i + 1), hex(i + 2)) {
            (b'%', Some(high), Some(low)) => {
                out.push(u8::try_from(high * 16 + low).unwrap_or(byte));
                i += 3;
            }
            _ => {
                out.push(byte);
                i += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn click_ids_keep_every_byte() {
        let value = |url| query_value(url, "gclid");
        assert_eq!(value("/?gclid=a%2Bb").as_deref(), Some("a+b"));
        assert_eq!(value("/?gclid=a+b").as_deref(), Some("a+b"));
        assert_eq!(value("/?gclid=a%252Bb").as_deref(), Some("a%2Bb"));
        assert_eq!(value("/?GCLID=Mixed-_Case").as_deref(), Some("Mixed-_Case"));
        assert_eq!(value("/?gclid=&gclid=second&gclid=third").as_deref(), Some("second"));
        assert_eq!(value("/?x=1#?gclid=no"), None);
        assert_eq!(value("/?gclid=a%zz%4").as_deref(), Some("a%zz%4"));
    }

    #[test]
    fn only_what_may_leave_stays_in_the_url() {
        let url =
            "https://u:p@shop.example/p/mug?email=a%40b.c&utm_source=x&fbclid=Ab_1&q=flu#frag";
        assert_eq!(
            clean_url(url).as_deref(),
            Some("https://shop.example/p/mug?utm_source=x&fbclid=Ab_1")
        );
        assert_eq!(clean_url("/relative?fbclid=a"), None);
        assert_eq!(clean_url("ftp://shop.example/"), None);
    }

    #[test]
    fn private_paths_are_cut() {
        for path in [
            "u/jane@example.com",
            "u/jane%40example.com/x",
            "1/orders/b3f1c0ffee/authenticate",
            "orders/b3f1",
            "t/0123456789abcdef0123456789abcdef",
        ] {
            let url = format!("https://shop.example/{path}?gclid=X");
            assert_eq!(clean_url(&url).as_deref(), Some("https://shop.example/?gclid=X"), "{path}");
        }
        let page = "https://shop.example/products/blue-ceramic-mug-with-handle-2000";
        assert_eq!(clean_url(page).as_deref(), Some(page));
    }

    proptest! {
        #[test]
        fn an_encoded_click_id_comes_back_unchanged(id in "[ -~]{1,60}") {
            let encoded: String = id.bytes().map(|b| format!("%{b:02X}")).collect();
            prop_assert_eq!(query_value(&format!("/?fbclid={encoded}"), "fbclid"), Some(id));
        }

        #[test]
        fn no_input_panics(url in "\\PC{0,200}") {
            prop_assert!(query_value(&url, "gclid").is_none_or(|v| !v.is_empty()));
            prop_assert!(clean_url(&url).is_none_or(|u| u.starts_with("http")));
        }
    }
}
