//! How long the machine keeps the relay and the harness waiting for processor time.
//!
//! A deadline says something about a relay only if both could run. Two things are measured, for two ends:
//!
//! - Patience: on a machine on which others wait for a processor ([pressure stall
//!   information](https://docs.kernel.org/accounting/psi.html), Linux only) a good relay may be slow, and deadlines are
//!   stretched. That costs time and no verdict.
//! - Proof: that others would like to run as well does not mean that a relay, which mostly sleeps, did not. What means it is
//!   that the harness's own timer fires late: a program that mostly sleeps, too, and is woken as late. Then nothing is said
//!   about what did not happen.
//!
//! The timer also tells when the machine has room for one more relay process.

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, watch};

/// Where the kernel tells it, the own control group first.
const PRESSURE: [&str; 2] = ["/sys/fs/cgroup/cpu.pressure", "/proc/pressure/cpu"];

/// How often the own timer is looked at.
const TICK: Duration = Duration::from_millis(20);

/// From this share of the time on nothing is said about what did not happen. Two cores beside five compilers: below 0.01 for a
/// single case, 0.45 in the middle of a whole suite, which needs them itself; beside eight endless loops more: 0.1 to 0.4 and
/// 0.73.
const TOO_MUCH: f64 = 0.75;

/// Share of the time, lately, from which on the machine has no room for one more process: what would prove nothing.
const CROWDED: f64 = TOO_MUCH;

/// What counts as lately.
const LATELY: Duration = Duration::from_millis(500);

/// Measures from the moment it is made until it is dropped.
pub(crate) struct Strain {
    pressure: Option<&'static Path>,
    late: Arc<AtomicU64>,
    /// Share of the time, lately, in which the own timer was overdue.
    lately: watch::Receiver<f64>,
    /// Whoever has it is the next one to get room.
    next: Semaphore,
    ticker: tokio::task::JoinHandle<()>,
}

/// A moment to measure from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    at: Instant,
    waited: Duration,
    late: Duration,
}

impl Strain {
    pub(crate) fn measure() -> Self {
        let late = Arc::new(AtomicU64::new(0));
        let noted = Arc::clone(&late);
        let (level, lately) = watch::channel(0.0);
        #[expect(clippy::disallowed_methods, reason = "`Strain` owns the handle and aborts it")]
        let ticker = tokio::spawn(async move {
            loop {
                let before = Instant::now();
                tokio::time::sleep(TICK).await;
                // A timer is exact to a millisecond only.
                let over = before.elapsed().saturating_sub(TICK + Duration::from_millis(2));
                noted.fetch_add(micros(over), Ordering::Relaxed);
                let elapsed = before.elapsed().as_secs_f64();
                let weight = 1.0 - (-elapsed / LATELY.as_secs_f64()).exp();
                level.send_modify(|level| {
                    *level += weight * (over.as_secs_f64() / elapsed - *level);
                });
            }
        });
        let pressure =
            PRESSURE.iter().map(Path::new).find(|path| waited_for_processors(path).is_some());
        Self { pressure, late, lately, next: Semaphore::new(1), ticker }
    }

    /// Waits until the machine has room for one more process. One caller at a time, and each on a look of its own: what the
    /// one before has started shows in the next.
    pub(crate) async fn room(&self) {
        // Neither fails before the measuring has ended, and the run with it.
        let Ok(_next) = self.next.acquire().await else { return };
        let mut lately = self.lately.clone();
        lately.mark_unchanged();
        while lately.changed().await.is_ok() && *lately.borrow_and_update() >= CROWDED {}
    }

    pub(crate) fn mark(&self) -> Mark {
        Mark { at: Instant::now(), waited: self.waited(), late: self.late() }
    }

    fn waited(&self) -> Duration {
        self.pressure.and_then(waited_for_processors).unwrap_or_default()
    }

    fn late(&self) -> Duration {
        Duration::from_micros(self.late.load(Ordering::Relaxed))
    }

    /// Share of the time since then in which the own timer was overdue, 0 to 1.
    fn overdue(&self, mark: &Mark) -> f64 {
        share(self.late().saturating_sub(mark.late), mark)
    }

    /// Share of the time since then in which somebody had to wait for a processor, 0 to 1.
    fn contended(&self, mark: &Mark) -> f64 {
        share(self.waited().saturating_sub(mark.waited), mark).max(self.overdue(mark))
    }

    /// What a wait of this length becomes, begun at the mark: as long if everybody could run at least half of the time, up
    /// to three times as long if somebody always had to wait.
    pub(crate) fn stretched(&self, wait: Duration, mark: &Mark) -> Duration {
        let beyond = (self.contended(mark) - 0.5).max(0.0);
        wait.mul_f64(1.0 + 4.0 * beyond)
    }

    /// The share of the time in which the own timer was overdue, if it is so large that what did not happen since then proves
    /// nothing.
    pub(crate) fn too_much(&self, mark: &Mark) -> Option<f64> {
        Some(self.overdue(mark)).filter(|share| *share >= TOO_MUCH)
    }
}

fn share(lost: Duration, since: &Mark) -> f64 {
    let elapsed = since.at.elapsed();
    // The kernel brings its figure up to date every two seconds at worst; too short a time says nothing.
    if elapsed < 10 * TICK { 0.0 } else { (lost.as_secs_f64() / elapsed.as_secs_f64()).min(1.0) }
}

impl Drop for Strain {
    fn drop(&mut self) {
        self.ticker.abort();
    }
}

/// `some ... total=MICROSECONDS`: time in which at least one task waited for a processor.
fn waited_for_processors(path: &Path) -> Option<Duration> {
    total(&std::fs::read_to_string(path).ok()?)
}

fn total(pressure: &str) -> Option<Duration> {
    let some = pressure.lines().find(|line| line.starts_with("some "))?;
    let total = some.split_whitespace().find_map(|part| part.strip_prefix("total="))?;
    total.parse().ok().map(Duration::from_micros)
}

fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_figure_is_read() {
        let text =
            "some avg10=6.18 avg60=13.14 avg300=14.90 total=103013411\nfull avg10=0.00 total=7\n";
        assert_eq!(total(text), Some(Duration::from_micros(103_013_411)));
        assert_eq!(total("full avg10=0.00 total=7\n"), None);
        assert_eq!(total("some total=many\n"), None);
    }

    #[tokio::test]
    async fn room_is_waited_for_as_long_as_the_timer_is_late() {
        let strain = Strain::measure();
        strain.room().await;
        // The only thread of this runtime does something else.
        std::thread::sleep(4 * LATELY);
        tokio::time::sleep(2 * TICK).await;
        let level = || *strain.lately.borrow();
        assert!(level() >= CROWDED, "{}", level());
        strain.room().await;
        assert!(level() < CROWDED, "{}", level());
    }

    #[tokio::test]
    async fn a_blocked_runtime_is_noticed_without_the_kernel() {
        let mut strain = Strain::measure();
        strain.pressure = None;
        tokio::task::yield_now().await;
        let mark = strain.mark();
        assert_eq!(strain.stretched(Duration::from_secs(4), &mark), Duration::from_secs(4));
        // The only thread of this runtime does something else.
        std::thread::sleep(Duration::from_millis(400));
        tokio::time::sleep(2 * TICK).await;
        let share = strain.overdue(&mark);
        assert!(share > 0.6, "{share}");
        assert!(strain.too_much(&mark).is_some());
        assert!(strain.stretched(Duration::from_secs(4), &mark) > Duration::from_secs(6));
    }
}
