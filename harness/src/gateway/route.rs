//! Which platform a request is for, and what that platform would have seen of it.

use std::net::IpAddr;

use crate::{
    exchange::{CANARY_HOST, Request, bare_host},
    platforms::Platform,
};

/// Path prefix of the host that redirects lead to. Whatever arrives there followed one.
pub(super) const CANARY: &str = "/__canary/";

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

/// What a client means by a host name.
pub(super) struct Asked<'a> {
    /// It takes the gateway for its proxy, and so for none of the platforms themselves.
    pub(super) by_proxy: bool,
    /// Where the door is: `http://127.0.0.1:PORT`.
    pub(super) origin: &'a str,
}

impl Asked<'_> {
    /// True if with this (bare) host name a first path segment may name the platform. By a proxy only those go to the gateway's own paths that
    /// use a base URL and send even that through the proxy.
    fn may_prefix(&self, name: &str) -> bool {
        let is_here = || {
            let here = self.origin.strip_prefix("http://").map(bare_host);
            name == "localhost"
                || here.is_some_and(|here| here == name)
                || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
        };
        !self.by_proxy || is_here()
    }
}

/// The platform with this host name, which is bare.
pub(super) fn platform_of(
    platforms: &[&'static dyn Platform],
    name: &str,
) -> Option<&'static dyn Platform> {
    platforms.iter().copied().find(|p| p.hosts().contains(&name))
}

/// Finds the platform and rewrites host and path to what it would have seen.
///
/// A platform's own host wins (proxy and DNS rungs); otherwise the first path segment names the platform (base-URL rung)
/// and is taken off. This is the one place where the journal's hosts become bare.
pub(super) fn route(
    platforms: &[&'static dyn Platform],
    asked: &Asked<'_>,
    request: &mut Request,
) -> Route {
    request.host = bare_host(&request.host);
    let may_prefix = asked.may_prefix(&request.host);
    if let Some(platform) = platform_of(platforms, &request.host) {
        return Route::Platform(platform);
    }
    if let Some(rest) = request.path.strip_prefix(CANARY).filter(|_| may_prefix) {
        let case = rest.split('/').next().and_then(|id| id.parse().ok());
        request.host = CANARY_HOST.into();
        return Route::Canary(case);
    }
    let path = request.path.strip_prefix('/').unwrap_or(&request.path);
    let (id, rest) = match path.find('/') {
        Some(at) => path.split_at(at),
        None => (path, ""),
    };
    match platforms.iter().copied().find(|p| may_prefix && p.id() == id) {
        None => Route::Undeclared,
        Some(platform) => {
            let rest = if rest.is_empty() { "/".to_owned() } else { rest.to_owned() };
            request.host = platform.hosts().first().copied().unwrap_or(id).to_owned();
            request.path = rest;
            Route::Platform(platform)
        }
    }
}
