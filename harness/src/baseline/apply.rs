//! The baseline applied to what a run found.

use time::Date;

use super::{
    Baseline, BaselineUse, Entry, EntryUse, date_text,
    fault::{Fault, faults},
};
use crate::verdict::{CaseVerdict, Known, Status, Summary};

impl Baseline {
    /// Takes what is known out of the failed cases, and notes in the summary what became of every entry.
    ///
    /// `suite` is what [`crate::run::suite`] says: the names of all cases, and whether this relay can play them.
    pub fn apply(&self, summary: &mut Summary, suite: &[(String, bool)], today: Date) {
        let entries = self.uses(&summary.cases, suite, today);
        summary.baseline = Some(BaselineUse { file: self.file.clone(), entries });
        for case in summary.cases.iter_mut().filter(|case| case.status == Status::Fail) {
            let whole = self.covers(case, today);
            case.known = self.known(case, today);
            if whole {
                // Something else was not observed: what is known of the rest does not make up for it.
                let seen = case.notes.is_empty();
                case.status = if seen { Status::KnownFailing } else { Status::Inconclusive };
            }
        }
    }

    /// Whether all that fails in this case is known.
    pub fn covers(&self, case: &CaseVerdict, today: Date) -> bool {
        let found = faults(case);
        let live = self.entries.iter().filter(|e| e.means(&case.case) && !e.is_expired(today));
        let named = |fault: &Fault| live.clone().any(|entry| entry.names(fault));
        case.status == Status::Fail && !found.is_empty() && found.iter().all(named)
    }

    /// What became of each entry, by the findings of these cases.
    pub(super) fn uses(
        &self,
        cases: &[CaseVerdict],
        suite: &[(String, bool)],
        today: Date,
    ) -> Vec<EntryUse> {
        let mut uses: Vec<EntryUse> =
            self.entries.iter().map(|entry| entry.unused(suite, today)).collect();
        for case in cases {
            let found = faults(case);
            // What was found stands. What was not found is known only where everything was observed.
            let judged = matches!(case.status, Status::Pass | Status::Fail);
            let whole = judged && (case.status == Status::Pass || case.notes.is_empty());
            let meant = |(entry, _): &(&Entry, &mut EntryUse)| judged && entry.means(&case.case);
            for (entry, used) in self.entries.iter().zip(&mut uses).filter(meant) {
                let hit = found.iter().any(|fault| entry.names(fault));
                used.judged += usize::from(hit || whole);
                used.hits += usize::from(hit);
            }
        }
        uses
    }

    /// The entries that name what fails in this case, those past their day included.
    fn known(&self, case: &CaseVerdict, today: Date) -> Vec<Known> {
        let found = faults(case);
        let about = |entry: &&Entry| {
            entry.means(&case.case) && found.iter().any(|fault| entry.names(fault))
        };
        self.entries.iter().filter(about).map(|entry| entry.known(today)).collect()
    }
}

impl Entry {
    fn unused(&self, suite: &[(String, bool)], today: Date) -> EntryUse {
        EntryUse {
            line: self.line,
            last_line: self.last_line,
            case: self.case.clone(),
            check: self.check.clone(),
            rule: self.rule.clone(),
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            expires: date_text(self.expires),
            expired: self.is_expired(today),
            planned: suite.iter().filter(|(name, played)| *played && self.means(name)).count(),
            judged: 0,
            hits: 0,
        }
    }

    fn known(&self, today: Date) -> Known {
        Known {
            line: self.line,
            check: self.check.clone(),
            rule: self.rule.clone(),
            reason: self.reason.clone(),
            owner: self.owner.clone(),
            expires: date_text(self.expires),
            expired: self.is_expired(today),
        }
    }
}
