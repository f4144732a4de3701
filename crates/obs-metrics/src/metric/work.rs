//! Metrics around a piece of work: a closure or a future. A piece that panics, or a future that is
//! dropped, counts like one that ends.

use crate::metric::{Counter, Gauge, Histogram};

impl Histogram {
    /// Observes the seconds that the work takes.
    ///
    /// ```
    /// # let registry = obs_metrics::Registry::new();
    /// # let buckets = obs_metrics::Buckets::default();
    /// let sorting = registry.histogram("sort_duration_seconds", "Time to sort.", buckets)?;
    /// let sorted = sorting.time(|| {
    ///     let mut numbers = vec![3, 1, 2];
    ///     numbers.sort();
    ///     numbers
    /// });
    /// assert_eq!((sorted, sorting.count()), (vec![1, 2, 3], 1));
    /// # Ok::<(), obs_metrics::Error>(())
    /// ```
    pub fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let _timer = self.start_timer();
        work()
    }

    /// Observes the seconds from the first poll of the future to its end, also where that is its drop.
    pub async fn time_async<T>(&self, work: impl Future<Output = T>) -> T {
        let _timer = self.start_timer();
        work.await
    }
}

impl Gauge {
    /// Adds one for as long as the work takes.
    ///
    /// ```
    /// # let registry = obs_metrics::Registry::new();
    /// let running = registry.gauge("jobs_in_progress", "Jobs that run.")?;
    /// assert_eq!(running.track_during(|| running.value()), 1.0);
    /// assert_eq!(running.value(), 0.0);
    /// # Ok::<(), obs_metrics::Error>(())
    /// ```
    pub fn track_during<T>(&self, work: impl FnOnce() -> T) -> T {
        let _one = self.track();
        work()
    }

    /// Adds one from the first poll of the future to its end, also where that is its drop.
    pub async fn track_during_async<T>(&self, work: impl Future<Output = T>) -> T {
        let _one = self.track();
        work.await
    }
}

impl Counter {
    /// Adds one if the work ends in an error or a panic.
    ///
    /// ```
    /// # let registry = obs_metrics::Registry::new();
    /// let errors = registry.counter("parse_errors_total", "Numbers that are none.")?;
    /// let parsed = errors.count_errors(|| "x".parse::<u8>());
    /// assert!(parsed.is_err() && errors.value() == 1);
    /// # Ok::<(), obs_metrics::Error>(())
    /// ```
    pub fn count_errors<T, E>(&self, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let panics = CountPanic(self);
        self.count_error(work(), panics)
    }

    /// Adds one if the future ends in an error or a panic; one that is dropped before its end counts as
    /// neither.
    pub async fn count_errors_async<T, E>(
        &self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        let panics = CountPanic(self);
        self.count_error(work.await, panics)
    }

    fn count_error<T, E>(&self, result: Result<T, E>, panics: CountPanic<'_>) -> Result<T, E> {
        std::mem::forget(panics);
        if result.is_err() {
            self.inc();
        }
        result
    }
}

/// Adds one when it is dropped by a panic.
struct CountPanic<'a>(&'a Counter);

impl Drop for CountPanic<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.inc();
        }
    }
}
