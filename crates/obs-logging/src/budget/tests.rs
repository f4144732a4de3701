use std::time::{Duration, UNIX_EPOCH};

use proptest::prelude::*;

use super::*;

/// A callsite that logs lines of so many bytes, so often.
#[derive(Clone, Copy, Debug)]
struct Load {
    level: Level,
    bytes: usize,
    every: Duration,
}

#[derive(Clone, Copy, Debug, Default)]
struct Written {
    lines: u64,
    bytes: u64,
    shed: u64,
}

const SECONDS: u64 = 10;

fn moment(since: Duration) -> Moment {
    (UNIX_EPOCH + Duration::from_secs(1_000_000) + since).into()
}

/// Ten seconds of all loads at once, on a clock of its own.
fn run(bytes_per_second: u64, loads: &[Load]) -> Vec<Written> {
    let budget = Arc::new(Budget::new(bytes_per_second));
    let sites: Vec<_> =
        loads.iter().map(|_| SiteBudget::new(budget.clone(), Arc::default())).collect();
    let mut events: Vec<(Duration, usize)> = loads
        .iter()
        .enumerate()
        .flat_map(|(site, load)| {
            let lines = Duration::from_secs(SECONDS).as_nanos() / load.every.as_nanos();
            (0..lines as u32).map(move |line| (load.every * line, site))
        })
        .collect();
    events.sort();
    let mut written = vec![Written::default(); loads.len()];
    for (at, site) in events {
        let (load, now) = (loads[site], moment(at));
        match sites[site].admit(load.level, now, 0) {
            Some(_) => {
                sites[site].charge(load.level, load.bytes, now);
                written[site].lines += 1;
                written[site].bytes += load.bytes as u64;
            }
            None => written[site].shed += 1,
        }
    }
    written
}

fn load(level: Level, bytes: usize, a_second: u32) -> Load {
    Load { level, bytes, every: Duration::from_secs(1) / a_second }
}

fn all_bytes(written: &[Written]) -> u64 {
    written.iter().map(|site| site.bytes).sum()
}

#[test]
fn load_within_budget_sheds_no_line() {
    let loads = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE]
        .map(|level| load(level, 200, 100));
    assert!(run(110_000, &loads).iter().all(|site| site.shed == 0));
}

#[test]
fn levels_are_shed_from_trace_upwards() {
    let kept = |info: u32| {
        run(
            100_000,
            &[
                load(Level::ERROR, 100, 50),
                load(Level::WARN, 100, 50),
                load(Level::INFO, 100, info),
                load(Level::DEBUG, 100, 2_000),
                load(Level::TRACE, 100, 2_000),
            ],
        )
    };
    // 10 KB of errors and warnings, 40 KB of INFO: what is left is for DEBUG, and nothing for TRACE.
    let some = kept(400);
    assert_eq!([some[0].shed, some[1].shed, some[2].shed], [0, 0, 0]);
    assert!(some[3].bytes > 400_000 && some[4].bytes < 30_000, "{some:?}");
    // INFO alone is more than there is: nothing is left for what is below.
    let none = kept(2_000);
    assert_eq!([none[0].shed, none[1].shed], [0, 0]);
    assert!(none[2].bytes > 850_000 && none[3].bytes + none[4].bytes < 60_000, "{none:?}");
}

#[test]
fn loudest_callsite_is_shed_before_quiet_callsites() {
    let mut loads = vec![load(Level::INFO, 100, 5_000)];
    loads.extend([load(Level::INFO, 100, 20); 10]);
    let written = run(100_000, &loads);
    assert!(written[1..].iter().all(|site| site.shed == 0), "{written:?}");
    assert!(written[0].bytes > 750_000, "the rest of the budget is the loud one's: {written:?}");
}

#[test]
fn errors_past_budget_are_written_and_warnings_are_shed() {
    let written = run(10_000, &[load(Level::ERROR, 100, 500), load(Level::WARN, 100, 500)]);
    assert_eq!(written[0].shed, 0);
    assert!(written[1].bytes <= 20_000, "{written:?}");
}

#[test]
fn warnings_are_admitted_after_storm_of_errors() {
    let budget = Arc::new(Budget::new(1_000));
    let site = SiteBudget::new(budget, Arc::default());
    (0..10_000).for_each(|_| site.charge(Level::ERROR, 1_000, moment(Duration::ZERO)));
    let storm = Duration::from_millis(1);
    assert_eq!(site.admit(Level::WARN, moment(storm), 0), None);
    let after = storm + Duration::from_secs(1);
    assert_eq!(site.admit(Level::WARN, moment(after), 0), Some(1));
}

#[test]
fn clock_set_back_sheds_for_at_most_one_second() {
    let budget = Arc::new(Budget::new(1_000));
    let site = SiteBudget::new(budget, Arc::default());
    let later = Duration::from_secs(3_600);
    (0..20).for_each(|_| site.charge(Level::INFO, 100, moment(later)));
    assert_eq!(site.admit(Level::INFO, moment(Duration::ZERO), 0), None);
    assert!(site.admit(Level::INFO, moment(Duration::from_secs(1)), 0).is_some());
}

#[test]
fn notice_has_shed_count_at_most_every_30_seconds() {
    let budget = Arc::new(Budget::new(1));
    let site = SiteBudget::new(budget, Arc::default());
    site.charge(Level::INFO, 1_000, moment(Duration::ZERO));
    let shed = |at| site.admit(Level::INFO, moment(Duration::from_millis(at)), 0).is_none();
    let notice = |at| site.notice(moment(Duration::from_millis(at)));
    assert_eq!(notice(0), None);
    assert!(shed(10) && shed(20));
    assert_eq!([notice(30), notice(1_010), notice(1_020)], [None, Some(2), None]);
    assert!(shed(2_000));
    assert_eq!(
        [notice(3_000), notice(31_000), notice(31_100)],
        [None, None, Some(1)][..].try_into().unwrap_or([None; 3])
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is logged: the bytes of ten seconds are those of the budget, one second's worth that had gathered,
    /// and a line of each callsite; errors come on top, and none is shed.
    #[test]
    fn bytes_stay_within_budget_and_errors_are_kept(
        bytes_per_second in 20_000_u64..1_000_000,
        loads in prop::collection::vec((0_usize..5, 50_usize..500, 10_u32..3_000), 1..8),
    ) {
        let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
        let loads: Vec<_> =
            loads.into_iter().map(|(level, bytes, often)| load(levels[level], bytes, often)).collect();
        let written = run(bytes_per_second, &loads);
        let is_error = |at: usize| loads[at].level == Level::ERROR;
        prop_assert!((0..loads.len()).filter(|at| is_error(*at)).all(|at| written[at].shed == 0));
        let errors: u64 = (0..loads.len()).filter(|at| is_error(*at)).map(|at| written[at].bytes).sum();
        let others = all_bytes(&written) - errors;
        let allowed = bytes_per_second * (SECONDS + 1) + 500 * loads.len() as u64;
        prop_assert!(others <= allowed, "{others} of {allowed}");
        let demand: u64 = loads.iter().map(|load| {
            load.bytes as u64 * (Duration::from_secs(SECONDS).as_nanos() / load.every.as_nanos()) as u64
        }).sum();
        if demand <= bytes_per_second * SECONDS / 10 {
            prop_assert!(written.iter().all(|site| site.shed == 0));
        }
    }
}
