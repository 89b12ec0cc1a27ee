//! What planned answers of other services, and expectations about them, must fulfil.

use super::{MAX_TIMES, Rules, is_slug};
use crate::scenario::{ExpectService, GivenService, stub_problems};

impl Rules {
    pub(super) fn given_service(&mut self, at: &str, service: &GivenService) {
        self.service_name(&format!("{at}/name"), &service.name);
        self.times(&format!("{at}/times"), service.times, MAX_TIMES);
        for (field, message, hint) in stub_problems(&service.request, &service.response) {
            self.say(format!("{at}/{field}"), message, hint);
        }
    }

    pub(super) fn expect_service(&mut self, at: &str, service: &ExpectService) {
        self.service_name(&format!("{at}/name"), &service.name);
        let bounds = service.at_least.or(service.at_most);
        if service.calls.or(bounds).is_none() {
            self.say(at, "asks for nothing", "give calls, at_least or at_most");
        }
        if service.calls.is_some() && bounds.is_some() {
            let message = "`calls` does not go together with `at_least` or `at_most`";
            self.say(at, message, "keep the one or the others");
        }
        if let (Some(least), Some(most)) = (service.at_least, service.at_most)
            && least > most
        {
            self.say(at, "`at_least` is more than `at_most`", "exchange them");
        }
    }

    /// Which services there are is the profile's business: a relay that calls none is spared the case.
    fn service_name(&mut self, at: &str, name: &str) {
        if !is_slug(name) {
            self.say(at, format!("`{name}` is no name for a service"), "use a-z, 0-9 and _");
        }
    }
}
