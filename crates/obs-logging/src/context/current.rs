//! The context that a thread, or a future, works for.

use std::fmt;
use std::marker::PhantomData;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};

use pin_project_lite::pin_project;

#[cfg(feature = "http")]
use super::ambient::MAX_BYTES;
use super::ambient::{Ambient, LEFT_OUT};
use super::fields::Fields;
#[cfg(feature = "http")]
use super::fields::Key;
use crate::error_text;
use crate::field::Value;
use crate::local;

/// The ambient fields of one piece of work: what `bind!` adds to, and what is on each of its lines.
///
/// The HTTP layer makes one for every request. Make one yourself for other work, such as a message
/// of a queue. A clone is the same context: what one adds, all show.
///
/// ```
/// let job = obs_logging::Context::new();
/// job.bind("job_id", 7);
/// let _entered = job.enter();
/// tracing::info!("started");                 // carries job_id
/// obs_logging::bind!(attempt = 2);           // and so does every line from here on
/// ```
#[derive(Clone, Default)]
pub struct Context(Arc<Ambient>);

impl Context {
    /// A context without fields.
    pub fn new() -> Self {
        Self::default()
    }

    /// A context that begins with these fields; those that find no room are left out, and counted.
    #[cfg(feature = "http")]
    pub(crate) fn of<const N: usize>(named: [(&Key, &str); N]) -> Self {
        Self(Ambient::filled(|fields| {
            for (key, value) in named {
                value.encode(fields.begin(key));
                if fields.as_bytes().len() > MAX_BYTES {
                    fields.remove(key);
                    LEFT_OUT.fetch_add(1, Ordering::Relaxed);
                }
            }
        }))
    }

    /// The context that this thread works for at this moment.
    pub fn current() -> Option<Self> {
        local::with(|local| local.stack.borrow().ambient().map(|ambient| Self(ambient.clone())))
    }

    /// A context of its own with the fields that the current one has by now: what is bound to either later is
    /// not in the other.
    pub fn child() -> Self {
        let fields = Self::current().map(|current| current.0.snapshot().1).unwrap_or_default();
        Self(Arc::new(Ambient::new(fields)))
    }

    /// Adds a field, which replaces an earlier one of the same name.
    ///
    /// Fields past 64 KiB in all are left out, and counted: see [`Context::fields_left_out`].
    pub fn bind(&self, name: &str, value: impl Value) -> &Self {
        let mut field = Fields::new();
        error_text::add(&mut field, name, |json| value.encode(json));
        self.0.append(&field);
        self
    }

    /// How many fields found no room in their context, in the whole process. As a metric it is
    /// `obs_log_context_fields_left_out_total`.
    pub fn fields_left_out() -> u64 {
        LEFT_OUT.load(Ordering::Relaxed)
    }

    /// Makes this the current context of the thread until the guard is dropped.
    ///
    /// Never hold the guard across an await: wrap the future with [`Context::scope`] instead.
    pub fn enter(&self) -> Entered<'_> {
        let token = local::with(|local| local.stack.borrow_mut().enter_ambient(self.0.clone()));
        Entered { token, _context: self, _of_this_thread: PhantomData }
    }

    /// A future in which this context is current, on whichever thread it is polled.
    pub fn scope<F>(&self, future: F) -> Scoped<F> {
        Scoped { future, context: Some(self.clone()) }
    }

    /// A future in the context that is current now, on whichever thread it is polled: what a spawned
    /// task needs to keep the fields of its request. Outside every context the future runs as it is.
    ///
    /// ```
    /// # let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    /// # runtime.block_on(async {
    /// let job = obs_logging::Context::new();
    /// let task = job.scope(async {
    ///     tokio::spawn(obs_logging::Context::in_current(async { obs_logging::bind!(step = 1) }))
    /// });
    /// assert!(task.await.await.unwrap(), "the spawned task has the context");
    /// # });
    /// ```
    pub fn in_current<F>(future: F) -> Scoped<F> {
        Scoped { future, context: Self::current() }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        Ambient::release(&mut self.0);
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let fields = self.0.snapshot().1;
        write!(f, "Context({})", String::from_utf8_lossy(fields.as_bytes()))
    }
}

/// Puts the former context back when dropped: made by [`Context::enter`].
///
/// It belongs to its thread, and cannot be held across an await of a task that may move:
///
/// ```compile_fail,E0277
/// fn is_send<T: Send>(_: T) {}
/// let context = obs_logging::Context::new();
/// is_send(context.enter());
/// ```
#[must_use = "the context is current only as long as this guard lives"]
#[derive(Debug)]
pub struct Entered<'a> {
    token: u64,
    _context: &'a Context,
    _of_this_thread: PhantomData<*const ()>,
}

impl Drop for Entered<'_> {
    fn drop(&mut self) {
        local::with(|local| local.stack.borrow_mut().exit_ambient(self.token));
    }
}

pin_project! {
    /// A future with a context of its own: made by [`Context::scope`] and [`Context::in_current`].
    #[derive(Debug)]
    #[must_use = "futures do nothing unless they are polled"]
    pub struct Scoped<F> {
        #[pin]
        future: F,
        context: Option<Context>,
    }
}

impl<F: Future> Future for Scoped<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, task: &mut task::Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _entered = this.context.as_ref().map(Context::enter);
        this.future.poll(task)
    }
}
