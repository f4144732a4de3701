//! Setting logging up.

use std::convert::Infallible;
use std::io::Write;
use std::marker::PhantomData;
use std::sync::Arc;

use tracing::Subscriber;
use tracing_core::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::budget::Budget;
use crate::context::fields::Fields;
use crate::cost::CallsiteStats;
use crate::error::Error;
use crate::error_text;
use crate::error_type::ErrorTypes;
use crate::field::Value;
use crate::filter::LogFilter;
use crate::layer::config::LayerConfig;
use crate::layer::{Lines, LogLayer};
use crate::logging::Logging;
use crate::notice;
use crate::output::{Delivery, Direct, Notice, Output, Queue, Sink, Tally, Target};
use crate::processor::{Pipeline, Processor};
use crate::render::{Console, Json, Renderer};
use crate::stage::{BeforeRedaction, Pacing, Processing, Redacting, Stage};

/// How lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line: for machines.
    Json,
    /// Aligned `key=value` lines, coloured on a terminal unless `NO_COLOR` is set: for people.
    Console,
    /// [`Format::Console`] where the output is a terminal, else [`Format::Json`].
    #[default]
    Auto,
}

/// Says how to log, and makes the layer.
///
/// ```
/// use obs_logging::{Builder, Format, Output};
/// use tracing_subscriber::layer::SubscriberExt;
///
/// let (layer, logging) = Builder::new()
///     .format(Format::Json)
///     .filter("info,sqlx=warn")
///     .output(Output::stdout())
///     .static_field("service", "orders")
///     .build()?;
/// let subscriber = tracing_subscriber::registry().with(layer);
/// tracing::subscriber::with_default(subscriber, || tracing::info!(port = 8000, "server started"));
/// assert!(logging.shutdown(std::time::Duration::from_secs(5)).complete);
/// # Ok::<(), obs_logging::Error>(())
/// ```
///
/// What happens to a line comes in one order, and can be said in no other: sampling and rate limits, then
/// processors, then redaction, which sees what the processors leave.
///
/// ```compile_fail
/// # use obs_logging::{Builder, Record};
/// # struct Mine;
/// # impl obs_logging::Processor for Mine {
/// #     fn process(&self, _: &mut Record<'_>) -> bool { true }
/// # }
/// let builder = Builder::new().redact(["password"]).processor(Mine); // would add fields after redaction
/// ```
///
/// ```compile_fail
/// # use obs_logging::{Builder, Record};
/// # struct Mine;
/// # impl obs_logging::Processor for Mine {
/// #     fn process(&self, _: &mut Record<'_>) -> bool { true }
/// # }
/// let builder = Builder::new().processor(Mine).rate_limit(100); // would process what is held back
/// ```
///
/// ```
/// # use obs_logging::{Builder, Record};
/// # struct Mine;
/// # impl obs_logging::Processor for Mine {
/// #     fn process(&self, _: &mut Record<'_>) -> bool { true }
/// # }
/// let builder = Builder::new().rate_limit(100).processor(Mine).redact(["password"]);
/// # let _ = builder;
/// ```
#[derive(Debug)]
#[must_use = "nothing is logged before `build` has made the layer"]
pub struct Builder<S = Pacing> {
    format: Format,
    filter: String,
    shared_filter: Option<LogFilter>,
    output: Output,
    delivery: Delivery,
    statics: Fields,
    pipeline: Pipeline,
    span_names: bool,
    event_key: String,
    error_types: ErrorTypes,
    backtraces: Option<bool>,
    budget: Option<u64>,
    stage: PhantomData<S>,
}

impl Default for Builder {
    fn default() -> Self {
        Self::new()
    }
}

impl Builder {
    /// [`Format::Auto`] on the standard output, `info`, and the default [`Delivery`].
    pub fn new() -> Self {
        Self {
            format: Format::default(),
            filter: "info".to_owned(),
            shared_filter: None,
            output: Output::stdout(),
            delivery: Delivery::default(),
            statics: Fields::new(),
            pipeline: Pipeline::default(),
            span_names: false,
            event_key: "event".to_owned(),
            error_types: ErrorTypes::default(),
            backtraces: None,
            budget: None,
            stage: PhantomData,
        }
    }

    /// Keeps one in `one_in` of the lines of each callsite that are less severe than `kept`; the next
    /// line of the callsite has their number as `suppressed`. Records of the `log` crate are all kept.
    pub fn sample_below(mut self, kept: Level, one_in: u32) -> Self {
        self.pipeline.pacing.sampling = Some((kept, u64::from(one_in.max(1))));
        self
    }

    /// Lets each callsite log this many lines a second; the first line after that shows how many were
    /// `suppressed`. Records of the `log` crate are not limited.
    pub fn rate_limit(mut self, lines_a_second: u32) -> Self {
        self.pipeline.pacing.limit = Some(lines_a_second);
        self
    }
}

impl<S: BeforeRedaction> Builder<S> {
    /// Shows every event to a processor, which may change or drop it. Processors run in the order in
    /// which they are added: after sampling and the rate limit, before redaction.
    pub fn processor(mut self, processor: impl Processor) -> Builder<Processing> {
        self.pipeline.processors.push(Box::new(processor));
        self.at_stage()
    }
}

impl<S: Stage> Builder<S> {
    fn at_stage<T: Stage>(self) -> Builder<T> {
        Builder {
            format: self.format,
            filter: self.filter,
            shared_filter: self.shared_filter,
            output: self.output,
            delivery: self.delivery,
            statics: self.statics,
            pipeline: self.pipeline,
            span_names: self.span_names,
            event_key: self.event_key,
            error_types: self.error_types,
            backtraces: self.backtraces,
            budget: self.budget,
            stage: PhantomData,
        }
    }

    /// How lines look.
    pub fn format(mut self, format: Format) -> Self {
        self.format = format;
        self
    }

    /// Which events are logged, in the syntax of `EnvFilter`: `info,sqlx=warn`.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = filter.into();
        self.shared_filter = None;
        self
    }

    /// The same events as another layer logs, also when its filter is changed.
    pub fn filter_of(mut self, other: &Logging) -> Self {
        self.filter = other.filter();
        self.shared_filter = Some(other.log_filter().clone());
        self
    }

    /// Where lines go.
    pub fn output(mut self, output: Output) -> Self {
        self.output = output;
        self
    }

    /// Whether the thread that logs also writes.
    pub fn delivery(mut self, delivery: Delivery) -> Self {
        self.delivery = delivery;
        self
    }

    /// Lets all callsites together log so many bytes a second, in bursts of up to one second's worth. Past it the
    /// cheapest lines are shed, before they are made: TRACE, then DEBUG, then INFO, and of each level first those of
    /// the callsites that log more than their share; warnings last, errors never, whatever it costs. The next line of
    /// the callsite has the number of its shed ones as `suppressed`, and a warning tells of all, at most once in half
    /// a minute; [`Logging::budget`] and `obs_log_lines_shed_total{level}` count them.
    pub fn budget(mut self, bytes_per_second: u64) -> Self {
        self.budget = Some(bytes_per_second);
        self
    }

    /// A field of every line, unless the line itself has one of this name.
    pub fn static_field(mut self, name: &str, value: impl Value) -> Self {
        error_text::add(&mut self.statics, name, |json| value.encode(json));
        self
    }

    /// The key of the message in JSON lines, instead of `event`. A field of this name stands only in
    /// lines without a message. The names that every line has for something else are refused by
    /// [`Builder::build`].
    pub fn event_key(mut self, key: impl Into<String>) -> Self {
        self.event_key = key.into();
        self
    }

    /// Replaces the values of fields of these names by `[redacted]`, wherever they come from: events,
    /// spans, contexts, loggers, and inside of values with a structure. Upper and lower case are the same.
    /// `password` is also the last part of `user.password`, and `card.number` is the `number` inside of
    /// every `card`, of each element where that is a list. The message is left as it is, but for what
    /// `valuable(..)` shows there; so is the text of a `Debug`.
    pub fn redact(
        mut self,
        names: impl IntoIterator<Item = impl Into<String>>,
    ) -> Builder<Redacting> {
        self.pipeline.redaction.add(names);
        self.at_stage()
    }

    /// Makes errors of this type known by name: as the value of a field `error` they get an `error.type`
    /// besides `error.message` and `error.chain`. The usual ones of the standard library have it anyway.
    pub fn error_type<E: std::error::Error + 'static>(mut self) -> Self {
        self.error_types.add::<E>(std::any::type_name::<E>());
        self
    }

    /// Whether lines have the backtrace that an error shows with its text (anyhow's and eyre's do, where
    /// `RUST_BACKTRACE` asks for one), as `error.backtrace`. In the development console they have, in JSON they
    /// have not, unless it is said: it is most of the bytes of such a line, and obs-errors reports it. A collector
    /// has it as `exception.stacktrace`.
    pub fn backtraces(mut self, backtraces: bool) -> Self {
        self.backtraces = Some(backtraces);
        self
    }

    /// Whether lines have the names of the spans around them, as `spans: ["outer","inner"]`.
    pub fn span_names(mut self, span_names: bool) -> Self {
        self.span_names = span_names;
        self
    }

    /// The layer for the subscriber, and the handle that flushes it.
    ///
    /// # Errors
    /// When the filter is none, the output cannot be opened, or there is no thread for the writer.
    pub fn build<R>(mut self) -> Result<(LogLayer<R>, Logging), Error>
    where
        R: Subscriber + for<'a> LookupSpan<'a>,
    {
        self.check_event_key()?;
        #[cfg(feature = "otlp")]
        self.suit_collector()?;
        let filter = match self.shared_filter.take() {
            Some(shared) => shared,
            None => LogFilter::new(&self.filter)?,
        };
        let is_terminal = self.output.is_terminal();
        let renderer = match self.format {
            Format::Json => self.json(),
            Format::Auto if !is_terminal => self.json(),
            Format::Console | Format::Auto => {
                Renderer::Console(Console::new(is_terminal && colours_are_welcome()))
            }
        };
        let output = std::mem::replace(&mut self.output, Output::stdout());
        let (delivery, event_key) = (self.delivery, self.event_key.clone());
        self.assemble(filter, renderer, |notice, tally| match delivery {
            Delivery::Blocking => output.direct(notice, tally),
            Delivery::NonBlocking { buffer_bytes, when_full } => {
                let (target, at_deadline) = output.target(&event_key, notice)?;
                Queue::start(target, at_deadline, tally, buffer_bytes, when_full).map(Sink::Queue)
            }
        })
    }

    /// The message must not be called what each line calls something else.
    fn check_event_key(&self) -> Result<(), Error> {
        let taken = ["timestamp", "level", "target", "trace_id", "span_id", ""];
        if taken.contains(&self.event_key.as_str()) {
            return Err(Error::new(
                format!("lines cannot call their message `{}`", self.event_key),
                "take another event key than timestamp, level, target, trace_id and span_id",
            ));
        }
        Ok(())
    }

    /// Records are made of JSON lines, and no thread should wait for a network.
    #[cfg(feature = "otlp")]
    fn suit_collector(&mut self) -> Result<(), Error> {
        let Some(collector) = self.output.collector() else { return Ok(()) };
        if !collector.is_on()? {
            self.filter = "off".to_owned();
            self.shared_filter = None;
        }
        self.format = Format::Json;
        // The conventions have a name for them.
        self.backtraces = self.backtraces.or(Some(true));
        match self.delivery {
            Delivery::Blocking => Err(crate::otlp::blocking()),
            Delivery::NonBlocking { .. } => Ok(()),
        }
    }

    pub(crate) fn filter_text(&self) -> &str {
        &self.filter
    }

    /// JSON, blocking, to this writer: nothing of it can fail.
    pub(crate) fn captured<R>(
        self,
        filter: LogFilter,
        writer: impl Write + Send + 'static,
    ) -> (LogLayer<R>, Logging)
    where
        R: Subscriber + for<'a> LookupSpan<'a>,
    {
        let renderer = self.json();
        let direct = |notice, tally| {
            let target = Target::new(Box::new(writer), notice);
            Ok::<_, Infallible>(Sink::Direct(Direct::new(target, tally)))
        };
        let Ok(made) = self.assemble(filter, renderer, direct);
        made
    }

    fn json(&self) -> Renderer {
        Renderer::Json(Json::new(&self.event_key))
    }

    fn assemble<R, E>(
        self,
        filter: LogFilter,
        renderer: Renderer,
        sink: impl FnOnce(Notice, Arc<Tally>) -> Result<Sink, E>,
    ) -> Result<(LogLayer<R>, Logging), E>
    where
        R: Subscriber + for<'a> LookupSpan<'a>,
    {
        #[cfg(feature = "valuable")]
        self.pipeline.redaction.apply_to_texts();
        let backtraces = self.backtraces.unwrap_or(renderer.as_json().is_none());
        let renderer = Arc::new(renderer);
        let budget = self.budget.map(|bytes| Arc::new(Budget::new(bytes)));
        let notice = notice::of_losses(renderer.clone(), self.statics.clone());
        let tally = Arc::new(Tally::new(budget.is_some()));
        let sink = Arc::new(sink(notice, tally.clone())?);
        let stats = Arc::new(CallsiteStats::default());
        let lines = Lines::new(LayerConfig {
            filter: filter.clone(),
            renderer,
            statics: self.statics,
            pipeline: self.pipeline,
            span_names: self.span_names,
            error_types: Arc::new(self.error_types),
            backtraces,
            sink: sink.clone(),
            tally: tally.clone(),
            stats: stats.clone(),
            budget: budget.clone(),
        });
        Ok((lines.with_filter(filter.clone()), Logging::new(sink, filter, tally, stats, budget)))
    }
}

/// See <https://no-color.org>.
fn colours_are_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}
