//! How long a relay's threads were ready to run and had to wait for a processor: time that its slowness cannot be blamed for.
//!
//! From the kernel's [scheduler statistics](https://docs.kernel.org/scheduler/sched-stats.html) of each thread; where it
//! keeps none (anything but Linux), nobody ever waited. Kernels since 6.12 may book part of a sleep as waiting, a whole one if
//! others keep the processor busy: so no single turn at the processor excuses more than a fair wait for it.

use std::{collections::BTreeMap, fs, time::Duration};

/// Most processes of one relay that are looked at: it and what it has started.
const MAX_PROCESSES: usize = 64;

/// Longest wait for one turn at the processor that is believed: dozens of others with turns of a few milliseconds each.
const FAIR: Duration = Duration::from_millis(100);

/// What each thread has waited since it began, by its id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Waits(BTreeMap<u32, Waited>);

/// One thread's waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Waited {
    time: Duration,
    /// How often it got the processor.
    turns: u32,
}

impl Waits {
    /// Of a process and of those that it has started.
    pub(super) fn of(pid: u32) -> Self {
        let mut waits = BTreeMap::new();
        let mut processes = vec![pid];
        let mut seen = 0;
        while let Some(process) = processes.pop().filter(|_| seen < MAX_PROCESSES) {
            seen += 1;
            let tasks = format!("/proc/{process}/task");
            // A process or thread that is gone waits no more.
            for thread in fs::read_dir(&tasks).into_iter().flatten().flatten() {
                let Some(id) = thread.file_name().to_str().and_then(|id| id.parse().ok()) else {
                    continue;
                };
                let waited = fs::read_to_string(thread.path().join("schedstat"));
                if let Some(waited) = waited.ok().and_then(|text| waited_for_processor(&text)) {
                    waits.insert(id, waited);
                }
            }
            let children = fs::read_to_string(format!("{tasks}/{process}/children"));
            processes.extend(
                children
                    .unwrap_or_default()
                    .split_whitespace()
                    .filter_map(|id| id.parse::<u32>().ok()),
            );
        }
        Self(waits)
    }

    /// The longest that one thread has waited since then.
    pub(crate) fn longest_since(&self, earlier: &Self) -> Duration {
        let since = |(thread, now): (&u32, &Waited)| {
            let before = earlier.0.get(thread).copied().unwrap_or_default();
            let turns = now.turns.saturating_sub(before.turns);
            now.time.saturating_sub(before.time).min(FAIR.saturating_mul(turns))
        };
        self.0.iter().map(since).max().unwrap_or_default()
    }
}

/// `RAN WAITED TIMES`, both in nanoseconds.
fn waited_for_processor(schedstat: &str) -> Option<Waited> {
    let mut figures = schedstat.split_whitespace().skip(1);
    let time = Duration::from_nanos(figures.next()?.parse().ok()?);
    // A count that is too large for us is large enough.
    let turns = figures.next()?.parse::<u64>().ok()?.try_into().unwrap_or(u32::MAX);
    Some(Waited { time, turns })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_figures_are_read() {
        let read = Waited { time: Duration::from_nanos(52_554), turns: 3 };
        assert_eq!(waited_for_processor("1804 52554 3\n"), Some(read));
        assert_eq!(waited_for_processor("1804 52554\n"), None);
        assert_eq!(Waits::of(u32::MAX), Waits::default());
    }

    fn waits(of: &[(u32, u64, u32)]) -> Waits {
        let waited = |(id, ms, turns): &(u32, u64, u32)| {
            (*id, Waited { time: Duration::from_millis(*ms), turns: *turns })
        };
        Waits(of.iter().map(waited).collect())
    }

    #[test]
    fn the_thread_that_waited_longest_counts() {
        let before = waits(&[(1, 900, 50), (2, 100, 50)]);
        let after = waits(&[(1, 950, 60), (2, 400, 60), (3, 20, 1)]);
        assert_eq!(after.longest_since(&before), Duration::from_millis(300));
        assert_eq!(before.longest_since(&after), Duration::ZERO);
    }

    #[test]
    fn a_sleep_that_is_booked_as_a_wait_excuses_nothing() {
        let before = waits(&[(1, 0, 10)]);
        assert_eq!(waits(&[(1, 6_000, 12)]).longest_since(&before), 2 * FAIR);
        assert_eq!(waits(&[(1, 5_000, 110)]).longest_since(&before), Duration::from_secs(5));
    }

    /// More busy threads than processors: some of them have to wait.
    #[test]
    #[cfg(target_os = "linux")]
    fn threads_that_have_to_wait_are_seen_to() {
        let pid = std::process::id();
        let before = Waits::of(pid);
        let many = 4 * std::thread::available_parallelism().map_or(1, usize::from);
        let until = std::time::Instant::now() + Duration::from_millis(400);
        std::thread::scope(|scope| {
            for _ in 0..many {
                scope.spawn(|| while std::time::Instant::now() < until {});
            }
            std::thread::sleep(Duration::from_millis(350));
            let waited = Waits::of(pid).longest_since(&before);
            assert!(waited > Duration::from_millis(50), "{waited:?}");
        });
    }
}
