//! What the profile is to say: as given, then with defaults for the rest.

use crate::{
    cli::{CaptureKind, InitArgs, ShopsKind, holds_no_password, relay_url},
    commands::{program, word},
    inputs::{self, Format},
    platforms::{self, PLATFORMS, Platform},
};

/// Where the platforms listen for a relay that runs already.
pub(super) const LISTEN: &str = "127.0.0.1:9900";
/// Where such a relay is guessed to listen.
pub(super) const URL: &str = "http://127.0.0.1:8080";

/// What was given by flags or answers; `None` where nothing was.
#[derive(Debug, Clone, Default)]
pub struct Choices {
    pub(super) format: Option<String>,
    pub(super) platforms: Vec<String>,
    pub(super) capture: Option<CaptureKind>,
    pub(super) shops: Option<ShopsKind>,
    pub(super) reach: Option<Reach>,
}

/// How the relay is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Reach {
    /// By a command of the shell.
    Start(String),
    /// It runs already.
    Url(String),
}

/// Everything settled.
pub(super) struct Plan {
    pub(super) format: &'static dyn Format,
    pub(super) platforms: Vec<&'static dyn Platform>,
    pub(super) capture: CaptureKind,
    pub(super) shops: ShopsKind,
    pub(super) reach: Reach,
}

impl Choices {
    pub(super) fn given(args: &InitArgs) -> Self {
        let start = args.start.clone().map(Reach::Start);
        Self {
            format: args.format.clone(),
            platforms: args.platforms.clone(),
            capture: args.capture,
            shops: args.shops,
            reach: start.or_else(|| args.url.clone().map(Reach::Url)),
        }
    }

    /// The options that [`Choices::settled`] takes for what was not given.
    pub(super) fn defaults(&self) -> Vec<String> {
        let all = [
            (self.format.is_none(), "--format shopify".to_owned()),
            (self.reach.is_none(), format!("--url {URL}")),
            (self.platforms.is_empty(), "--platform meta".to_owned()),
            (self.capture.is_none(), "--capture base_url".to_owned()),
        ];
        all.into_iter().filter(|(is_default, _)| *is_default).map(|(_, option)| option).collect()
    }

    /// With the defaults for what was not given: Shopify to Meta by base URL, at a URL.
    ///
    /// # Errors
    /// In words with a hint: a name that is not known, or choices that do not go together.
    pub(super) fn settled(self) -> Result<Plan, String> {
        let id = self.format.unwrap_or_else(|| "shopify".to_owned());
        let format = inputs::by_id(&id).ok_or_else(|| unknown("input format", &id, formats()))?;
        let mut platforms: Vec<&'static dyn Platform> = Vec::new();
        for id in &self.platforms {
            let found = platforms::by_id(id).filter(|platform| platform.counts_orders());
            let found = found.ok_or_else(|| unknown("platform", id, platform_ids()))?;
            if platforms.iter().all(|known| known.id() != found.id()) {
                platforms.push(found);
            }
        }
        if platforms.is_empty() {
            platforms.extend(PLATFORMS.iter().copied().find(|platform| platform.id() == "meta"));
        }
        let reach = self.reach.unwrap_or_else(|| Reach::Url(URL.to_owned()));
        let started = matches!(reach, Reach::Start(_));
        if let Reach::Start(command) = &reach
            && (command.trim().is_empty() || command.chars().any(char::is_control))
        {
            return Err("the command to start the relay has to be one line\nhint: write it like --start \"node relay.mjs\"".to_owned());
        }
        // Typed on a terminal it has not been looked at yet.
        if let Reach::Url(url) = &reach {
            relay_url(url)?;
            holds_no_password("the relay's URL", Some(url))?;
        }
        let shops =
            self.shops.unwrap_or(if started { ShopsKind::Single } else { ShopsKind::Fixed });
        if shops == ShopsKind::Single && !started {
            return Err("a relay at a URL has its shop already\nhint: take --shops fixed, or give --start COMMAND".to_owned());
        }
        let capture = self.capture.unwrap_or(CaptureKind::BaseUrl);
        Ok(Plan { format, platforms, capture, shops, reach })
    }
}

impl Plan {
    /// Any of Google's APIs: it fetches tokens.
    pub(super) fn needs_tokens(&self) -> bool {
        let account = |platform: &&'static dyn Platform| {
            platform.account(&platforms::AccountSeed { shop: 0, number: 0 })
        };
        self.platforms.iter().any(|platform| account(platform).fields.contains_key("refresh_token"))
    }

    /// Where a lasting authority is needed: for a relay that runs already and is not given base URLs.
    pub(super) fn needs_authority(&self) -> bool {
        matches!(self.reach, Reach::Url(_)) && self.capture != CaptureKind::BaseUrl
    }

    /// Options of `doctor` and `run` besides the profile.
    pub(super) fn options(&self) -> String {
        let Reach::Url(url) = &self.reach else { return String::new() };
        let url = word(url);
        let ca = if self.needs_authority() { " --ca relay-ca" } else { "" };
        format!(" --relay {url} --listen {LISTEN}{ca}")
    }

    /// What a shell has to do before that.
    pub(super) fn before(&self) -> String {
        if self.needs_authority() {
            format!(
                "{} ca --out relay-ca   # once; let the relay trust relay-ca/ca.pem\n  ",
                program()
            )
        } else {
            String::new()
        }
    }
}

/// Ids of all formats.
pub(super) fn formats() -> Vec<&'static str> {
    inputs::FORMATS.iter().map(|format| format.id()).collect()
}

/// Ids of all platforms that count orders.
pub(super) fn platform_ids() -> Vec<&'static str> {
    PLATFORMS.iter().filter(|p| p.counts_orders()).map(|p| p.id()).collect()
}

fn unknown(what: &str, id: &str, known: Vec<&str>) -> String {
    format!("no {what} `{id}`\nhint: {}", crate::yaml::known("names", id, &known))
}
