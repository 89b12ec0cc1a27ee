//! What the relay's environment has to say so that its calls are led here: base URLs, or the variables of each runtime.

use serde::Serialize;

use super::Options;
use crate::{
    gateway::Gateway,
    platforms::{AccountSeed, PLATFORMS, Platform},
    run::RunError,
    sut::{
        profile::{Capture, Profile},
        runtimes::{self, Trust},
    },
};

/// Folder beside a lasting authority for the files that the runtimes need.
const FILES: &str = "runtimes";

/// The environment of one relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Settings {
    /// Who sets it: the harness for a child, somebody else for a relay that runs already.
    pub by_harness: bool,
    /// How calls are led here.
    pub capture: &'static str,
    /// Base URLs by platform id, if that is the way.
    pub base_urls: Vec<(&'static str, String)>,
    /// Variables, if that is the way.
    pub variables: Vec<Setting>,
    /// Host names that have to lead here, if that is the way.
    pub hosts: Vec<&'static str>,
    /// Where they have to lead: `127.0.0.1:9900`.
    pub address: String,
}

/// One variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Setting {
    /// Name.
    pub name: &'static str,
    /// Value; for a child it names files that end with it.
    pub value: String,
    /// Who reads it.
    pub read_by: &'static str,
}

impl Settings {
    /// Works them out. For a relay that runs already the files for its runtime are written beside its authority.
    pub(super) fn of(
        options: &Options,
        profile: &Profile,
        gateway: &Gateway,
    ) -> Result<Self, RunError> {
        let door = gateway.door();
        // The platforms of the profile, and the token endpoint for those that need it.
        let named =
            |platform: &dyn Platform| profile.platforms.iter().any(|id| id == platform.id());
        let has_tokens = |platform: &dyn Platform| {
            let account = platform.account(&AccountSeed { shop: 0, number: 0 });
            account.fields.contains_key("refresh_token")
        };
        let tokens = PLATFORMS.iter().any(|platform| named(*platform) && has_tokens(*platform));
        let called = |platform: &&&'static dyn Platform| {
            named(**platform) || tokens && !platform.counts_orders()
        };
        let platforms: Vec<&'static dyn Platform> =
            PLATFORMS.iter().filter(called).copied().collect();
        let mut settings = Self {
            by_harness: options.relay.is_none(),
            capture: match profile.capture {
                Capture::BaseUrl => "base_url",
                Capture::Proxy => "proxy",
                Capture::Hosts => "hosts",
            },
            base_urls: Vec::new(),
            variables: Vec::new(),
            hosts: Vec::new(),
            address: door.address().to_owned(),
        };
        if profile.capture == Capture::BaseUrl {
            let url =
                |platform: &&'static dyn Platform| (platform.id(), door.base_url(platform.id()));
            settings.base_urls = platforms.iter().map(url).collect();
            return Ok(settings);
        }
        if profile.capture == Capture::Hosts {
            settings.hosts = platforms.iter().flat_map(|p| p.hosts()).copied().collect();
        }
        // Those of a child are made anew with each start; here only their names are of use.
        let passing = tempfile::tempdir()
            .map_err(|e| RunError::Harness(format!("no folder for the runtimes' files: {e}")))?;
        let dir = match &options.ca {
            // Whole, for the relay's folder is another one.
            Some(ca) if options.relay.is_some() => {
                std::path::absolute(ca.join(FILES)).map_err(|e| RunError::Usage(e.to_string()))?
            }
            _ => passing.path().to_owned(),
        };
        let trust = Trust::write(&dir, door).map_err(|e| RunError::Usage(e.to_string()))?;
        settings.variables = runtimes::variables(profile.capture, door, &trust)
            .into_iter()
            .map(|v| Setting { name: v.name, value: v.value, read_by: v.read_by })
            .collect();
        Ok(settings)
    }
}
