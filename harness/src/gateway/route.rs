//! Which platform a request is for, and what that platform would have seen of it.

use crate::{exchange::Request, platforms::Platform};

/// Path prefix of the host that redirects lead to. Whatever arrives there followed one.
pub(super) const CANARY: &str = "/__canary/";

/// Name that a canary request is journaled under.
pub(super) const CANARY_HOST: &str = "canary.invalid";

/// Where a request goes.
#[derive(Clone, Copy)]
pub(super) enum Route {
    /// To a platform.
    Platform(&'static dyn Platform),
    /// To the canary of this case.
    Canary(Option<usize>),
    /// To a host that nobody declared.
    Undeclared,
}

/// Finds the platform and rewrites host and path to what it would have seen.
///
/// A platform's own host wins (proxy and DNS rungs); otherwise the first path segment names the platform (base-URL rung)
/// and is taken off.
pub(super) fn route(platforms: &[&'static dyn Platform], request: &mut Request) -> Route {
    let name = host_name(&request.host);
    let by_host =
        platforms.iter().copied().find(|p| p.hosts().iter().any(|h| h.eq_ignore_ascii_case(name)));
    if request.method == "CONNECT" {
        // Tunnels are a later rung; nothing behind one can be read here.
        return Route::Undeclared;
    }
    if let Some(platform) = by_host {
        request.host = name.to_ascii_lowercase();
        return Route::Platform(platform);
    }
    if let Some(rest) = request.path.strip_prefix(CANARY) {
        let case = rest.split('/').next().and_then(|id| id.parse().ok());
        request.host = CANARY_HOST.into();
        return Route::Canary(case);
    }
    let path = request.path.strip_prefix('/').unwrap_or(&request.path);
    let (id, rest) = match path.find('/') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    match platforms.iter().copied().find(|p| p.id() == id) {
        None => Route::Undeclared,
        Some(platform) => {
            let rest = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
            request.host = platform.hosts().first().copied().unwrap_or(id).to_owned();
            request.path = rest;
            Route::Platform(platform)
        }
    }
}

/// A `Host` value without its port.
fn host_name(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|b| b.is_ascii_digit()) => name,
        _ => host,
    }
}
