//! Setting logging up.

use std::convert::Infallible;
use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use tracing::Subscriber;
use tracing_core::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::callsite;
use crate::context::fields::{Fields, Key};
use crate::cost::Ledger;
use crate::encode::time::{Clock, Moment};
use crate::encode::value;
use crate::error_type::ErrorTypes;
use crate::field::Value;
use crate::filter::LogFilter;
use crate::layer::{Lines, LogLayer, Plan};
use crate::output::{Delivery, Direct, LogFile, Notice, Queue, Sink, Tally, Target};
use crate::processor::{Pipeline, Processor};
use crate::render::{self, Console, Json, Line, Renderer};
use crate::{Error, Logging};

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

/// Where lines go.
pub struct Output(Kind);

enum Kind {
    Stdout,
    Stderr,
    File(LogFile),
    Writer(Box<dyn Write + Send>),
    #[cfg(feature = "otlp")]
    Otlp(crate::Otlp),
}

impl Output {
    /// The standard output: where a service in a container logs.
    pub fn stdout() -> Self {
        Self(Kind::Stdout)
    }

    /// The standard error.
    pub fn stderr() -> Self {
        Self(Kind::Stderr)
    }

    /// The end of this file, which is made if it is missing.
    pub fn file(path: impl AsRef<Path>) -> Self {
        Self::log_file(LogFile::new(path))
    }

    /// A file that is rotated.
    pub fn log_file(file: LogFile) -> Self {
        Self(Kind::File(file))
    }

    /// Any writer. Unless it is [`Delivery::Blocking`], it gets many lines a call, and is flushed after
    /// each batch.
    pub fn writer(writer: impl Write + Send + 'static) -> Self {
        Self(Kind::Writer(Box::new(writer)))
    }

    /// An OpenTelemetry collector, which gets log records instead of lines. Lines of another layer may
    /// go elsewhere at the same time.
    #[cfg(feature = "otlp")]
    pub fn otlp(collector: crate::Otlp) -> Self {
        Self(Kind::Otlp(collector))
    }

    fn is_terminal(&self) -> bool {
        match &self.0 {
            Kind::Stdout => io::stdout().is_terminal(),
            Kind::Stderr => io::stderr().is_terminal(),
            Kind::File(_) | Kind::Writer(_) => false,
            #[cfg(feature = "otlp")]
            Kind::Otlp(_) => false,
        }
    }

    /// `event_key` is how the lines call their message.
    #[cfg_attr(not(feature = "otlp"), expect(unused_variables, reason = "only records have parts"))]
    fn open(self, event_key: &str) -> Result<Box<dyn Write + Send>, Error> {
        match self.0 {
            #[cfg(feature = "otlp")]
            Kind::Otlp(collector) => {
                Ok(Box::new(crate::otlp::Exporter::new(collector, event_key.to_owned())?))
            }
            Kind::Stdout => standard(io::stdout()),
            Kind::Stderr => standard(io::stderr()),
            Kind::Writer(writer) => Ok(writer),
            Kind::File(file) => {
                let what = format!("the log file {} cannot be opened", file.path().display());
                let remedy = "give a path in a directory that the service may write to";
                let file =
                    file.open().map_err(|error| Error::new(what, remedy).caused_by(error))?;
                Ok(Box::new(file))
            }
        }
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Stdout => f.write_str("stdout"),
            Kind::Stderr => f.write_str("stderr"),
            Kind::File(file) => write!(f, "file {}", file.path().display()),
            Kind::Writer(_) => f.write_str("writer"),
            #[cfg(feature = "otlp")]
            Kind::Otlp(collector) => collector.fmt(f),
        }
    }
}

/// The stream behind the standard library's buffer, which would keep lines that it failed to write.
#[cfg(unix)]
fn standard(stream: impl std::os::fd::AsFd) -> Result<Box<dyn Write + Send>, Error> {
    let stream = stream.as_fd().try_clone_to_owned().map_err(|error| {
        Error::new("a standard stream cannot be used", "give the process one, or log to a file")
            .caused_by(error)
    })?;
    Ok(Box::new(std::fs::File::from(stream)))
}

#[cfg(not(unix))]
fn standard(stream: impl Write + Send + 'static) -> Result<Box<dyn Write + Send>, Error> {
    Ok(Box::new(stream))
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
#[derive(Debug)]
#[must_use = "nothing is logged before `build` has made the layer"]
pub struct Builder {
    format: Format,
    filter: String,
    output: Output,
    delivery: Delivery,
    statics: Fields,
    pipeline: Pipeline,
    span_names: bool,
    event_key: String,
    error_types: ErrorTypes,
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
            output: Output::stdout(),
            delivery: Delivery::default(),
            statics: Fields::new(),
            pipeline: Pipeline::default(),
            span_names: false,
            event_key: "event".to_owned(),
            error_types: ErrorTypes::default(),
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

    /// A field of every line, unless the line itself has one of this name.
    pub fn static_field(mut self, name: &str, value: impl Value) -> Self {
        value.encode(self.statics.begin(&Key::new(name)));
        self
    }

    /// The key of the message in JSON lines, instead of `event`. A field of this name stands only in
    /// lines without a message.
    pub fn event_key(mut self, key: impl Into<String>) -> Self {
        self.event_key = key.into();
        self
    }

    /// Replaces the values of fields of these names by `[redacted]`, wherever they come from: events,
    /// spans, contexts, loggers. Upper and lower case are the same, and `password` is also the last part
    /// of `user.password`. The message is left as it is.
    pub fn redact(mut self, names: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.pipeline.redaction.add(names);
        self
    }

    /// Keeps one in `one_in` of the lines of each callsite that are less severe than `kept`; the next
    /// line of the callsite tells how many were `suppressed`. Records of the `log` crate are all kept.
    pub fn sample_below(mut self, kept: Level, one_in: u32) -> Self {
        self.pipeline.pacing.sampling = Some((kept, u64::from(one_in.max(1))));
        self
    }

    /// Lets each callsite log so many lines a second; the first line after that tells how many were
    /// `suppressed`. Records of the `log` crate are not limited.
    pub fn rate_limit(mut self, lines_a_second: u32) -> Self {
        self.pipeline.pacing.limit = Some(lines_a_second);
        self
    }

    /// Shows every event to a processor, which may change or drop it. Processors run in the order in
    /// which they are added: after sampling and the rate limit, before redaction.
    pub fn processor(mut self, processor: impl Processor) -> Self {
        self.pipeline.processors.push(Box::new(processor));
        self
    }

    /// Makes errors of this type known by name: as the value of a field `error` they get an `error.type`
    /// besides `error.message` and `error.chain`. The usual ones of the standard library have it anyway.
    pub fn error_type<E: std::error::Error + 'static>(mut self) -> Self {
        self.error_types.add::<E>(std::any::type_name::<E>());
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
    pub fn build<S>(mut self) -> Result<(LogLayer<S>, Logging), Error>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        #[cfg(feature = "otlp")]
        self.suit_collector()?;
        let filter = LogFilter::new(&self.filter)?;
        let is_terminal = self.output.is_terminal();
        let renderer = match self.format {
            Format::Json => self.json(),
            Format::Auto if !is_terminal => self.json(),
            Format::Console | Format::Auto => {
                Renderer::Console(Console::new(is_terminal && colours_are_welcome()))
            }
        };
        let output = std::mem::replace(&mut self.output, Output::stdout()).open(&self.event_key)?;
        let delivery = self.delivery;
        self.assemble(filter, renderer, output, |target, tally| match delivery {
            Delivery::Blocking => Ok(Sink::Direct(Direct::new(target, tally))),
            Delivery::NonBlocking { buffer_bytes, when_full } => {
                Queue::start(target, tally, buffer_bytes, when_full).map(Sink::Queue)
            }
        })
    }

    /// Records are made of JSON lines, and nobody should wait for a network.
    #[cfg(feature = "otlp")]
    fn suit_collector(&mut self) -> Result<(), Error> {
        if let Kind::Otlp(_) = self.output.0 {
            self.format = Format::Json;
            if self.delivery == Delivery::Blocking {
                return Err(Error::new(
                    "a collector cannot be written to by whoever logs",
                    "use Delivery::NonBlocking",
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn filter_text(&self) -> &str {
        &self.filter
    }

    /// JSON, blocking, to this writer: nothing of it can fail.
    pub(crate) fn captured<S>(
        self,
        filter: LogFilter,
        writer: impl Write + Send + 'static,
    ) -> (LogLayer<S>, Logging)
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let renderer = self.json();
        let direct = |target, tally| Ok::<_, Infallible>(Sink::Direct(Direct::new(target, tally)));
        let Ok(made) = self.assemble(filter, renderer, Box::new(writer), direct);
        made
    }

    fn json(&self) -> Renderer {
        Renderer::Json(Json::new(&self.event_key))
    }

    fn assemble<S, E>(
        self,
        filter: LogFilter,
        renderer: Renderer,
        output: Box<dyn Write + Send>,
        sink: impl FnOnce(Target, Arc<Tally>) -> Result<Sink, E>,
    ) -> Result<(LogLayer<S>, Logging), E>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let renderer = Arc::new(renderer);
        let notice = notice_of_losses(renderer.clone(), self.statics.clone());
        let tally = Arc::new(Tally::default());
        let sink = Arc::new(sink(Target::new(output, notice), tally.clone())?);
        let ledger = Arc::new(Ledger::default());
        let lines = Lines::new(Plan {
            filter: filter.clone(),
            renderer,
            statics: self.statics,
            pipeline: self.pipeline,
            span_names: self.span_names,
            error_types: Arc::new(self.error_types),
            sink: sink.clone(),
            tally: tally.clone(),
            ledger: ledger.clone(),
        });
        Ok((lines.with_filter(filter.clone()), Logging::new(sink, filter, tally, ledger)))
    }
}

/// See <https://no-color.org>.
fn colours_are_welcome() -> bool {
    std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn notice_of_losses(renderer: Arc<Renderer>, statics: Fields) -> Notice {
    Box::new(move |lost| {
        let mut fields = statics.clone();
        value::unsigned(fields.begin(&Key::new("dropped")), lost);
        let target = "obs_logging";
        let line = Line {
            time: Moment::now(),
            level: Level::WARN,
            opening: &render::opening(&callsite::head(&Level::WARN, target)),
            target,
            has_own_target: false,
            message: b"\"log lines were dropped\"",
            ids: None,
        };
        let mut bytes = Vec::new();
        renderer.render(&line, &[&fields], &Clock::default(), &mut bytes);
        bytes
    })
}
