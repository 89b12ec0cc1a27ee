//! Whose turn it is. Cases wait in two lines, one for the shared relay and one for processes of their own; in each, who was
//! planned first goes first. Tasks are woken in no order: so a task takes the case that is next when it has its turn.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::plan::Case;

/// Where a case waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Line {
    /// For the relay that most cases share.
    Shared,
    /// For a process: it takes nobody's place in the shared relay.
    OwnProcess,
}

/// Both lines.
#[derive(Debug)]
pub(super) struct Turns {
    shared: Waiting,
    own_process: Waiting,
}

#[derive(Debug)]
struct Waiting {
    cases: Mutex<VecDeque<Case>>,
    turns: Semaphore,
}

impl Turns {
    /// `cases`: first come, first served; `jobs`, `processes`: so many of each line at a time.
    pub(super) fn new(
        cases: impl IntoIterator<Item = (Line, Case)>,
        jobs: usize,
        processes: usize,
    ) -> Self {
        let (mut shared, mut own_process) = (VecDeque::new(), VecDeque::new());
        for (line, case) in cases {
            match line {
                Line::Shared => shared.push_back(case),
                Line::OwnProcess => own_process.push_back(case),
            }
        }
        let waiting =
            |cases, turns| Waiting { cases: Mutex::new(cases), turns: Semaphore::new(turns) };
        Self { shared: waiting(shared, jobs), own_process: waiting(own_process, processes) }
    }

    /// A turn, held as long as the permit is.
    pub(super) async fn turn(&self, line: Line) -> Option<SemaphorePermit<'_>> {
        self.of(line).turns.acquire().await.ok()
    }

    /// The case that is next: for who has a turn.
    pub(super) fn next(&self, line: Line) -> Option<Case> {
        self.of(line).cases.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    fn of(&self, line: Line) -> &Waiting {
        match line {
            Line::Shared => &self.shared,
            Line::OwnProcess => &self.own_process,
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::plan::{
        cases::{PlanOptions, plan},
        tests::{profile, scenario},
    };

    /// Whoever is woken first, the case that was planned first is played first.
    #[tokio::test]
    async fn the_next_case_of_a_line_is_the_one_planned_first() {
        let profile = profile();
        let scenarios = ["a/one", "a/two", "a/three"]
            .map(|name| scenario(name, "platforms: [meta]\nsteps: [{ order: { id: A } }]\n"));
        let options =
            PlanOptions { seed: 1, profile: &profile, platforms: None, patterns: Vec::new() };
        let cases = plan(&scenarios, &options).unwrap().cases;
        let names: Vec<String> = cases.iter().map(|case| case.name.clone()).collect();
        let lines = [Line::Shared, Line::OwnProcess, Line::Shared];
        let turns = Turns::new(lines.into_iter().zip(cases), 1, 1);
        let next = |line| turns.next(line).map(|case| case.name);
        assert_eq!(next(Line::Shared).as_ref(), names.first());
        assert_eq!(next(Line::Shared).as_ref(), names.get(2));
        assert_eq!(next(Line::Shared), None);
        assert_eq!(next(Line::OwnProcess).as_ref(), names.get(1));

        let _first = turns.turn(Line::Shared).await.unwrap();
        let other = tokio::time::timeout(std::time::Duration::ZERO, turns.turn(Line::OwnProcess));
        assert!(other.await.is_ok(), "the lines do not wait for each other");
        let second = tokio::time::timeout(std::time::Duration::ZERO, turns.turn(Line::Shared));
        assert!(second.await.is_err(), "one at a time");
    }
}
