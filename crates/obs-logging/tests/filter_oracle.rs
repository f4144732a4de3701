//! The filter's syntax against its oracle, `EnvFilter`. Alone in its process: what a callsite caches
//! is of the process, and `tracing-core` lets another thread overwrite it with an older answer while
//! one subscriber is alive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may")]

use obs_logging::Builder;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

proptest::proptest! {
    /// Whatever is accepted gives the answers of `EnvFilter`.
    #[test]
    fn filter_of_levels_and_targets_agrees_with_env_filter(
        directives in proptest::collection::vec(
            (
                proptest::sample::select(vec!["", "a", "a::b", "a-b", "b", "info", "off", "3"]),
                proptest::sample::select(vec!["", "=", "=info", "=DEBUG", "=2", "=off", "=x"]),
            ),
            1..5,
        ),
    ) {
        use tracing_subscriber::EnvFilter;
        let text: Vec<_> = directives.iter().map(|(target, level)| format!("{target}{level}")).collect();
        let text = text.join(",");
        let built = Builder::new()
            .filter(text.clone())
            .output(obs_logging::Output::writer(std::io::sink()))
            .build();
        let Ok((layer, _logging)) = built else { return Ok(()) };
        let ours = tracing::Dispatch::new(tracing_subscriber::registry().with(layer));
        let theirs = EnvFilter::builder().parse(&text).unwrap();
        let theirs = tracing_subscriber::fmt::layer().with_writer(std::io::sink).with_filter(theirs);
        let theirs = tracing::Dispatch::new(tracing_subscriber::registry().with(theirs));
        let answers = |dispatch: &tracing::Dispatch| tracing::dispatcher::with_default(dispatch, || {
            macro_rules! asked {
                ($($target:literal),+) => {
                    vec![$(
                        tracing::enabled!(target: $target, tracing::Level::ERROR),
                        tracing::enabled!(target: $target, tracing::Level::WARN),
                        tracing::enabled!(target: $target, tracing::Level::INFO),
                        tracing::enabled!(target: $target, tracing::Level::DEBUG),
                        tracing::enabled!(target: $target, tracing::Level::TRACE),
                    )+]
                };
            }
            asked!["a", "a::b", "a::b::c", "ab", "a-b", "b", "c"]
        });
        proptest::prop_assert_eq!(answers(&ours), answers(&theirs), "{}", text);
    }
}
