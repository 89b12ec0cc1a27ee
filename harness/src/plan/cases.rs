//! From scenarios to cases: once per platform and variant, with people, orders and traceable values of their own.

use std::{collections::BTreeMap, fmt, sync::Arc};

pub use super::shops::shops;
use super::{
    Case, Order, Person, Plan, Skipped, Suite, bulk, needs,
    people::{self, Position, Source},
    spared,
    values::values,
};
use crate::{
    platforms::{PLATFORMS, Platform, by_id},
    scenario::{
        Capability, Click, Expect, OrderStep, Platforms, Scenario, Step,
        load::with_variant,
        select::{SelectsNothing, select},
    },
    sut::profile::Profile,
};

/// Most cases of one run.
pub const MAX_CASES: usize = 20_000;

/// What to plan for.
#[derive(Debug)]
pub struct PlanOptions<'a> {
    /// Seed of all values.
    pub seed: u64,
    /// The relay's declarations.
    pub profile: &'a Profile,
    /// Only these platforms, by id.
    pub platforms: Option<Vec<String>>,
    /// Only cases that one of these patterns selects; empty: all.
    pub patterns: Vec<String>,
}

/// Why there is no plan: always the scenarios' or the caller's fault, never the relay's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A platform that nobody knows.
    #[error("there is no platform `{name}`; known: {}", known.join(", "))]
    UnknownPlatform {
        /// As asked for.
        name: String,
        /// Those there are.
        known: Vec<&'static str>,
    },
    /// A pattern that selects no case.
    #[error(transparent)]
    Pattern(#[from] SelectsNothing),
    /// Two scenarios with one name.
    #[error("there are two cases `{0}`")]
    Twice(String),
    /// More than [`MAX_CASES`].
    #[error("{0} cases are too many: at most {MAX_CASES} fit into one run")]
    TooMany(usize),
    /// Cases that cannot be made concrete.
    #[error("{}", Lines(.0))]
    Cases(Vec<CaseError>),
}

impl PlanError {
    /// True if the scenarios are fine and only the selection is empty.
    pub fn nothing_selected(&self) -> bool {
        matches!(self, Self::Pattern(_))
    }
}

/// One case that cannot be made concrete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseError {
    /// Its name.
    pub case: String,
    /// What is wrong, with the known names where one is unknown.
    pub message: String,
}

struct Lines<'a>(&'a [CaseError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{}: {}", if i > 0 { "\n" } else { "" }, error.case, error.message)?;
        }
        Ok(())
    }
}

/// One case before its people exist.
struct Draft {
    name: String,
    scenario: Arc<Scenario>,
    variant: Option<String>,
    platform: &'static dyn Platform,
    at: Position,
}

/// Makes the cases of a run. Equal options give equal plans; a case's values do not depend on which others are selected.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(scenarios: &[Scenario], options: &PlanOptions<'_>) -> Result<Plan, PlanError> {
    let (chosen, skipped) = choose(scenarios, options)?;
    let suite = Suite::of(
        chosen.iter().map(|(draft, _)| draft.name.as_str()),
        skipped.iter().map(|skipped| skipped.name.as_str()),
    );
    let mut plan = Plan { seed: options.seed, cases: Vec::new(), skipped, suite };
    let mut errors = Vec::new();
    for (draft, needs) in chosen {
        let name = draft.name.clone();
        match concrete(draft, options).and_then(|case| check_texts(&case).map(|()| case)) {
            Ok(case) => plan.cases.push(Case { id: plan.cases.len(), needs, ..case }),
            Err(message) => errors.push(CaseError { case: name, message }),
        }
    }
    if errors.is_empty() { Ok(plan) } else { Err(PlanError::Cases(errors)) }
}

/// A case by name, without the people and values that a run needs.
#[derive(Debug, Clone)]
pub struct Outline {
    /// `dedup/thank_you_reload/meta`.
    pub name: String,
    /// The scenario with the variant applied.
    pub scenario: Arc<Scenario>,
    /// The variant's name.
    pub variant: Option<String>,
    /// The platform that it is about.
    pub platform: &'static str,
    /// What it needs from the relay.
    pub needs: Vec<Capability>,
    /// Has a relay process of its own.
    pub private_relay: bool,
}

/// The cases of a run and those that are ruled out, for lists.
///
/// # Errors
/// See [`PlanError`].
pub fn outline(
    scenarios: &[Scenario],
    options: &PlanOptions<'_>,
) -> Result<(Vec<Outline>, Vec<Skipped>), PlanError> {
    let (chosen, skipped) = choose(scenarios, options)?;
    let outlines = chosen
        .into_iter()
        .map(|(draft, needs)| Outline {
            private_relay: needs::own_relay(&draft.scenario, options.profile),
            name: draft.name,
            scenario: draft.scenario,
            variant: draft.variant,
            platform: draft.platform.id(),
            needs,
        })
        .collect();
    Ok((outlines, skipped))
}

type Chosen = (Vec<(Draft, Vec<Capability>)>, Vec<Skipped>);

/// The drafts that the options and the profile leave.
fn choose(scenarios: &[Scenario], options: &PlanOptions<'_>) -> Result<Chosen, PlanError> {
    let ids = || PLATFORMS.iter().filter(|p| p.counts_orders()).map(|p| p.id());
    if let Some(name) = options.platforms.iter().flatten().find(|name| !ids().any(|id| id == *name))
    {
        return Err(PlanError::UnknownPlatform { name: name.clone(), known: ids().collect() });
    }
    // All of them first, so that what is counted (addresses, order ids) stays the same whatever is selected.
    let mut drafts = expand(scenarios)?;
    let wanted =
        |id: &str| options.platforms.as_ref().is_none_or(|only| only.iter().any(|name| name == id));
    drafts.retain(|draft| wanted(draft.platform.id()));
    let names: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
    let mut selected = select(&names, &options.patterns)?.into_iter().peekable();
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for (i, draft) in drafts.into_iter().enumerate() {
        if selected.next_if_eq(&i).is_none() {
            continue;
        }
        let needs = needs::needs(&draft.scenario);
        match spared::spared(&draft.scenario, draft.platform, &needs, options.profile) {
            Some(reason) => skipped.push(Skipped { name: draft.name, reason }),
            None => chosen.push((draft, needs)),
        }
    }
    Ok((chosen, skipped))
}

/// Every case that the scenarios make, in order of names.
fn expand(scenarios: &[Scenario]) -> Result<Vec<Draft>, PlanError> {
    let mut drafts = Vec::new();
    let mut errors = Vec::new();
    for scenario in scenarios {
        let mut versions = Vec::new();
        for variant in &scenario.variants {
            match with_variant(scenario, variant) {
                Ok(merged) => versions.push((Some(variant.name.clone()), merged)),
                Err(message) => {
                    errors.push(CaseError {
                        case: format!("{}/{}", scenario.name, variant.name),
                        message,
                    });
                }
            }
        }
        if scenario.variants.is_empty() {
            versions.push((None, scenario.clone()));
        }
        for (variant, scenario) in versions {
            let scenario = Arc::new(bulk::written_out(scenario));
            let named: Vec<&'static dyn Platform> = match &scenario.platforms {
                Platforms::All => PLATFORMS.iter().copied().filter(|p| p.counts_orders()).collect(),
                Platforms::Only(ids) => {
                    ids.iter().filter_map(|id| by_id(id)).filter(|p| p.counts_orders()).collect()
                }
            };
            for platform in named {
                let tail = variant.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
                let name = format!("{}/{}{tail}", scenario.name, platform.id());
                let (scenario, variant, at) =
                    (Arc::clone(&scenario), variant.clone(), Position::default());
                drafts.push(Draft { name, scenario, variant, platform, at });
            }
        }
    }
    if !errors.is_empty() {
        return Err(PlanError::Cases(errors));
    }
    if drafts.len() > MAX_CASES {
        return Err(PlanError::TooMany(drafts.len()));
    }
    drafts.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some([twice, _]) = drafts.array_windows().find(|[a, b]| a.name == b.name) {
        return Err(PlanError::Twice(twice.name.clone()));
    }
    let mut at = Position::default();
    for draft in &mut drafts {
        draft.at = at;
        at.case += 1;
        // One more each for the control order.
        at.people += u64::try_from(names(&draft.scenario).len() + 1).unwrap_or(1);
        at.orders += u64::try_from(order_steps(&draft.scenario).count() + 1).unwrap_or(1);
    }
    Ok(drafts)
}

/// Everyone in the steps, `shopper` first.
fn names(scenario: &Scenario) -> Vec<String> {
    let mut names = vec!["shopper".to_owned()];
    for step in &scenario.steps {
        let by = match step {
            Step::Visit(visit) => &visit.by,
            Step::Consent(consent) => &consent.by,
            Step::Order(order) => &order.by,
            _ => continue,
        };
        if let Some(name) = by.as_ref().filter(|name| !names.contains(name)) {
            names.push(name.clone());
        }
    }
    names
}

fn order_steps(scenario: &Scenario) -> impl Iterator<Item = &OrderStep> {
    scenario.steps.iter().filter_map(|step| match step {
        Step::Order(order) => Some(&**order),
        _ => None,
    })
}

fn concrete(draft: Draft, options: &PlanOptions<'_>) -> Result<Case, String> {
    let Draft { name, scenario, variant, platform, at } = draft;
    let source = Source::new(options.seed, &name);
    let names = names(&scenario);
    let person = |(nth, name): (usize, &String)| {
        let person =
            people::person(&source, name, u64::try_from(nth).unwrap_or(0), nth == 0, at, false);
        (name.clone(), person)
    };
    let people: BTreeMap<String, Person> = names.iter().enumerate().map(person).collect();
    let sentinel_person = people::person(
        &source,
        "control",
        u64::try_from(names.len()).unwrap_or(0),
        false,
        at,
        true,
    );
    let mut orders: Vec<Order> = Vec::new();
    for (nth, step) in (0..).zip(order_steps(&scenario)) {
        let by = step.by.as_deref().unwrap_or("shopper");
        let person = people.get(by).ok_or_else(|| format!("there is no person `{by}`"))?;
        let mut order = people::order(&source, step, person, nth, at);
        if let Some(other) = &step.same_id_as {
            let earlier = |o: &&Order| o.id == crate::exchange::OrderRef::Named(other.clone());
            let earlier = orders.iter().find(earlier);
            let earlier = earlier.ok_or_else(|| {
                format!("`same_id_as: {other}` of order `{}` names no earlier order", step.id)
            })?;
            order.numeric_id = earlier.numeric_id;
        }
        orders.push(order);
    }
    let nth = u64::try_from(orders.len()).unwrap_or(0);
    let sentinel = people::control(&source, &sentinel_person, nth, at);
    let values = values(&people, orders.iter().chain([&sentinel]), options.profile)?;
    let mut case = Case {
        id: 0,
        name,
        private_relay: needs::own_relay(&scenario, options.profile),
        alone: needs::alone_at_its_account(&scenario),
        scenario,
        variant,
        platform: platform.id(),
        needs: Vec::new(),
        people,
        orders,
        sentinel,
        sentinel_person,
        values,
    };
    // Contact data that a step gives may name values too.
    let filled: Vec<_> =
        case.orders.iter().map(|order| fill_contact(&case, order)).collect::<Result<_, _>>()?;
    case.orders = filled;
    Ok(case)
}

fn fill_contact(case: &Case, order: &Order) -> Result<Order, String> {
    let mut order = order.clone();
    for name in crate::scenario::rules::CONTACT_FIELDS {
        if let Some(Some(text)) = people::contact_field(&mut order.contact, name) {
            *text = case.fill(text)?;
        }
    }
    Ok(order)
}

/// Fills every text of a case once, so that an unknown name is an error before anything is sent.
fn check_texts(case: &Case) -> Result<(), String> {
    for step in &case.scenario.steps {
        match step {
            Step::Visit(visit) => {
                let by = visit.by.as_deref().unwrap_or("shopper");
                match &visit.click {
                    Some(Click::Query(query)) => drop(case.fill(query)?),
                    Some(click) => drop(case.landing(by, click)?),
                    None => {}
                }
                let cookies = visit.cookies.values().flatten();
                for text in cookies
                    .chain(&visit.page)
                    .chain(&visit.ip)
                    .chain(&visit.user_agent)
                    .chain(&visit.forwarded_spoof)
                {
                    case.fill(text)?;
                }
            }
            Step::Order(order) => {
                drop(order.patch.as_ref().map(|patch| case.fill_json(patch)).transpose()?)
            }
            Step::Webhook(webhook) => {
                drop(webhook.patch.as_ref().map(|patch| case.fill_json(patch)).transpose()?);
                drop(webhook.raw.as_ref().map(|raw| case.fill(raw)).transpose()?);
            }
            _ => {}
        }
    }
    for expect in &case.scenario.expect {
        match expect {
            Expect::Payload(payload) => {
                drop(payload.equals.as_ref().map(|value| case.fill_json(value)).transpose()?);
                drop(payload.matches.as_ref().map(|pattern| case.fill(pattern)).transpose()?);
                case.fill(&payload.path)?;
            }
            Expect::ExportLacks(lacks) => {
                let by = lacks.by.as_deref().unwrap_or("shopper");
                for name in &lacks.values {
                    let known = case.values.contains_key(name)
                        || case.values.contains_key(&format!("{by}.{name}"));
                    if !known {
                        case.fill(&format!("{{{name}}}"))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// The landing parameter by which a platform's paid clicks are known.
pub(super) fn paid_click(platform: &str) -> &'static str {
    const NAMES: &[&str] = &["fbclid", "gclid", "ttclid"];
    let takes = |name: &&&str| by_id(platform).is_some_and(|p| p.click_field(name).is_some());
    NAMES.iter().find(takes).copied().unwrap_or("gclid")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::path::Path;

    use super::*;
    use crate::{
        plan::tests::{profile, scenario},
        scenario::load::load_dir,
    };

    fn options(profile: &Profile) -> PlanOptions<'_> {
        PlanOptions { seed: 7, profile, platforms: None, patterns: Vec::new() }
    }

    fn platforms() -> usize {
        PLATFORMS.iter().filter(|p| p.counts_orders()).count()
    }

    fn some() -> Vec<Scenario> {
        vec![
            scenario(
                "dedup/reload",
                "steps:\n- visit: { click: paid }\n- order: { id: A, total: 49.99 EUR }\n- reload: A\n\
                 expect:\n- payload: { order: A, path: item.key, equals: \"{A.event_id}\" }\n",
            ),
            scenario(
                "consent/matrix",
                "steps:\n- visit: { click: paid }\n- order: { id: A }\n- visit: { by: other }\n- order: { id: B, by: other }\n\
                 variants:\n- { name: denied, visit: { consent: denied } }\n- { name: no_email, order: { contact: { email: null } } }\n",
            ),
            scenario(
                "restart/kill",
                "steps:\n- order: { id: A }\n- restart: kill\n- order: { id: B }\n",
            ),
        ]
    }

    #[test]
    fn equal_seeds_give_equal_plans_and_selection_changes_no_value() {
        let profile = profile();
        let all = plan(&some(), &options(&profile)).unwrap();
        let again = plan(&some(), &options(&profile)).unwrap();
        assert_eq!(format!("{:?}", all.cases), format!("{:?}", again.cases));
        let few = PlanOptions {
            patterns: vec!["restart".into()],
            platforms: Some(vec!["meta".into()]),
            ..options(&profile)
        };
        let few = plan(&some(), &few).unwrap();
        let [case] = few.cases.as_slice() else { panic!("{:?}", few.cases) };
        let same = all.cases.iter().find(|other| other.name == case.name).unwrap();
        assert_eq!(case.values, same.values);
        assert_eq!(case.sentinel.numeric_id, same.sentinel.numeric_id);
        let other = plan(&some(), &PlanOptions { seed: 8, ..options(&profile) }).unwrap();
        assert_ne!(other.cases.first().unwrap().values, all.cases.first().unwrap().values);
    }

    #[test]
    fn names_are_made_of_scenario_platform_and_variant() {
        let profile = profile();
        let plan = plan(&some(), &options(&profile)).unwrap();
        let names: Vec<_> = plan.cases.iter().map(|case| case.name.as_str()).collect();
        assert_eq!(names.len(), 4 * platforms());
        assert!(names.is_sorted());
        assert_eq!(names.first(), Some(&"consent/matrix/data_manager/denied"));
        assert!(names.contains(&"dedup/reload/tiktok"), "{names:?}");
        assert!(plan.cases.iter().enumerate().all(|(i, case)| case.id == i));
    }

    #[test]
    fn variants_reach_every_step_of_their_kind_and_null_removes() {
        let profile = profile();
        let plan = plan(&some(), &options(&profile)).unwrap();
        let case =
            plan.cases.iter().find(|case| case.name == "consent/matrix/meta/no_email").unwrap();
        assert!(case.orders.iter().all(|order| order.contact.email.is_none()));
        assert!(case.people.values().all(|person| person.contact.email.is_some()));
        let denied =
            plan.cases.iter().find(|case| case.name == "consent/matrix/meta/denied").unwrap();
        let answers = denied.scenario.steps.iter().filter(
            |step| matches!(step, Step::Visit(visit) if visit.consent == Some(crate::scenario::ConsentAnswer::Denied)),
        );
        assert_eq!(answers.count(), 2);
    }

    #[test]
    fn what_the_relay_does_not_declare_is_skipped_with_the_reason() {
        let mut profile = profile();
        profile
            .capabilities
            .retain(|capability| *capability != crate::scenario::Capability::Restart);
        profile.platforms.retain(|id| id != "tiktok");
        let plan = plan(&some(), &options(&profile)).unwrap();
        let reason =
            |name: &str| plan.skipped.iter().find(|s| s.name == name).map(|s| s.reason.as_str());
        assert_eq!(reason("restart/kill/meta"), Some("the relay does not declare: restart"));
        assert_eq!(reason("dedup/reload/tiktok"), Some("the relay does not deliver to tiktok"));
        assert_eq!(reason("dedup/reload/meta"), None);
        assert_eq!(plan.cases.len() + plan.skipped.len(), 4 * platforms());
    }

    #[test]
    fn a_platform_without_such_an_answer_is_skipped_if_all_were_meant() {
        let profile = profile();
        let steps =
            "given:\n- platform: { answers: partial_invalid }\nsteps:\n- order: { id: A }\n";
        let plan = plan(&[scenario("partial/rows", steps)], &options(&profile)).unwrap();
        let skipped =
            plan.skipped.iter().find(|skipped| skipped.name == "partial/rows/meta").unwrap();
        assert_eq!(skipped.reason, "meta has no such answer");
        assert!(plan.cases.iter().any(|case| case.name == "partial/rows/google_ads"));
    }

    #[test]
    fn a_paid_click_is_one_of_the_cases_platform() {
        let profile = profile();
        let plan = plan(&some(), &options(&profile)).unwrap();
        for (platform, name) in [
            ("meta", "fbclid"),
            ("google_ads", "gclid"),
            ("data_manager", "gclid"),
            ("tiktok", "ttclid"),
        ] {
            let case = plan.cases.iter().find(|case| case.platform == platform).unwrap();
            let landing = case.landing("shopper", &Click::Paid).unwrap();
            let own = case.people["shopper"].ids[name].clone();
            assert_eq!(landing, [(name.to_owned(), own)]);
            let auto = Click::Ids([("GCLID".to_owned(), "auto".to_owned())].into());
            let gclid = case.values["gclid"].clone();
            assert_eq!(case.landing("shopper", &auto).unwrap(), [("GCLID".to_owned(), gclid)]);
            case.landing("nobody", &Click::Paid).unwrap_err();
        }
    }

    #[test]
    fn a_relay_of_its_own_only_where_the_case_would_disturb_others() {
        let profile = profile();
        let plan = plan(&some(), &options(&profile)).unwrap();
        for case in &plan.cases {
            assert_eq!(case.private_relay, case.name.starts_with("restart/"), "{}", case.name);
        }
    }

    #[test]
    fn unknown_values_platforms_and_patterns_are_refused_before_anything_is_sent() {
        let profile = profile();
        let wrong = scenario(
            "a/b",
            "platforms: [meta]\nsteps:\n- order: { id: A, patch: { note: \"{fbclidd}\" } }\n",
        );
        let error = plan(&[wrong], &options(&profile)).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "a/b/meta: there is no value `{fbclidd}`; did you mean `{fbclid}`? known: A."
            ),
            "{error}"
        );
        let nobody = PlanOptions { platforms: Some(vec!["metta".into()]), ..options(&profile) };
        assert!(matches!(plan(&some(), &nobody), Err(PlanError::UnknownPlatform { .. })));
        let nothing = PlanOptions { patterns: vec!["dedup/relaod".into()], ..options(&profile) };
        let error = plan(&some(), &nothing).unwrap_err().to_string();
        assert!(error.contains("nearest names: dedup/reload"), "{error}");
        assert!(matches!(
            plan(&[some(), some()].concat(), &options(&profile)),
            Err(PlanError::Twice(_))
        ));
    }

    #[test]
    fn values_are_unique_in_the_run_for_many_seeds() {
        let profile = profile();
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
        let mut scenarios = some();
        // The folder ships with the project; it is empty only while it is being written.
        scenarios.extend(load_dir(&shipped).unwrap_or_default());
        for seed in 0..4 {
            let plan = plan(&scenarios, &PlanOptions { seed, ..options(&profile) }).unwrap();
            crate::plan::tracers::tests::assert_no_value_is_shared(&plan);
        }
    }

    #[test]
    fn money_parts_add_up_and_keep_the_currencys_digits() {
        let profile = profile();
        let steps = "platforms: [meta]\nsteps:\n- order: { id: A, total: 12.345 KWD }\n- order: { id: B, total: 5000 JPY }\n\
                     - order: { id: C, total: 10.00 EUR, money: { subtotal: 8.00 EUR, shipping: 1.50 EUR } }\n- order: { id: D }\n";
        let plan = plan(&[scenario("pay/parts", steps)], &options(&profile)).unwrap();
        let case = plan.cases.first().unwrap();
        for order in case.all_orders() {
            assert_eq!(order.subtotal + order.tax + order.shipping, order.total, "{order:?}");
        }
        let text = |id| case.order(id).unwrap().tax.to_string();
        assert_eq!(
            (text("A").as_str(), text("B").as_str(), text("C").as_str()),
            ("1.975", "800", "0.50")
        );
        assert_ne!(case.order("D").unwrap().total, case.sentinel.total);
    }
}
