//! The workflow: builds the harness, examines the relay, judges it, and keeps the reports.

use super::{
    MARK, PROFILE,
    choices::{Plan, Reach},
    profile::Shipped,
};
use crate::cli::ShopsKind;

/// The whole file.
pub(super) fn text(plan: &Plan) -> String {
    let mut out = String::new();
    out.push_str(
        "# Judges the relay on every change: an order that is lost, counted twice or sent against consent fails it.\n\
         name: relay\n\
         on: [push, pull_request]\n\
         jobs:\n\
         \x20 harness:\n\
         \x20   runs-on: ubuntu-latest\n\
         \x20   timeout-minutes: 20\n",
    );
    let shipped = Shipped::of(plan.format.id());
    if let (ShopsKind::Fixed, Some(name)) = (plan.shops, shipped.variable()) {
        line!(out, "    env:");
        line!(out, "      # {MARK}the relay's secret for tests, in the repository's settings");
        line!(out, "      {name}: ${{{{ secrets.{name} }}}}");
    }
    line!(out, "    steps:");
    line!(out, "      - uses: actions/checkout@v4");
    line!(out, "      - uses: actions/checkout@v4");
    line!(out, "        with:");
    line!(out, "          # {MARK}the repository that holds the harness");
    line!(out, "          repository: OWNER/harness");
    line!(out, "          path: .harness");
    line!(out, "      - run: cargo build --release --locked --package harness");
    line!(out, "        working-directory: .harness");
    if plan.needs_authority() {
        line!(out, "      - run: .harness/target/release/harness ca --out relay-ca");
    }
    let (name, words) = match &plan.reach {
        Reach::Start(_) => ("build the relay", "what the relay needs before it can be started"),
        Reach::Url(_) => {
            ("start the relay", "start it in the background, listening where the steps below say")
        }
    };
    line!(out, "      # {MARK}{words}");
    line!(out, "      - name: {name}");
    match plan.reach {
        Reach::Start(_) => line!(out, "        run: 'true'"),
        Reach::Url(_) => line!(out, "        run: 'false'"),
    }
    let command = |verb: &str| {
        format!(".harness/target/release/harness {verb} --profile {PROFILE}{}", plan.options())
    };
    line!(out, "      - name: does the profile still fit?");
    line!(out, "        run: {}", command("doctor"));
    line!(out, "      - name: judge the relay");
    line!(out, "        run: >-");
    line!(out, "          {}", command("run"));
    line!(out, "          --scenarios .harness/scenarios");
    line!(out, "          --report junit=reports/junit.xml");
    line!(out, "          --report markdown=reports/summary.md");
    line!(out, "      - name: show the summary");
    line!(out, "        if: always() && hashFiles('reports/summary.md') != ''");
    line!(out, "        run: cat reports/summary.md >> \"$GITHUB_STEP_SUMMARY\"");
    line!(out, "      - uses: actions/upload-artifact@v4");
    line!(out, "        if: always()");
    line!(out, "        with:");
    line!(out, "          name: relay-reports");
    line!(out, "          path: reports");
    out
}
