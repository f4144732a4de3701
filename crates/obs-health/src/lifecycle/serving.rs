//! Who serves on a lifecycle: several servers shut down together, and one of them goes through the
//! stages for all.

use tokio::sync::watch;

use crate::server::Open;

#[derive(Default)]
pub(crate) struct Servings {
    known: watch::Sender<Known>,
}

#[derive(Default)]
struct Known {
    /// How many still accept.
    serving: usize,
    /// The connections of those that have ended.
    open: Vec<Open>,
    is_led: bool,
    is_over: bool,
}

impl Servings {
    pub(crate) fn begin(&self) -> Serving {
        self.known.send_modify(|known| known.serving += 1);
        Serving { known: self.known.clone() }
    }

    /// Comes when nobody accepts any more.
    pub(crate) async fn ended(&self) {
        let mut known = self.known.subscribe();
        drop(known.wait_for(|known| known.serving == 0).await);
    }

    /// Every connection, for the first who asks: who goes through the stages.
    pub(crate) fn lead(&self) -> Option<(Lead, Vec<Open>)> {
        let mut open = None;
        self.known.send_if_modified(|known| {
            if !known.is_led {
                known.is_led = true;
                open = Some(std::mem::take(&mut known.open));
            }
            false
        });
        open.map(|open| (Lead { known: self.known.clone() }, open))
    }

    /// Comes when the one who leads is through, or was dropped before.
    pub(crate) async fn over(&self) {
        let mut known = self.known.subscribe();
        drop(known.wait_for(|known| known.is_over).await);
    }
}

/// One that accepts, until it has ended or is dropped.
pub(crate) struct Serving {
    known: watch::Sender<Known>,
}

impl Serving {
    pub(crate) fn end(self, open: Option<Open>) {
        self.known.send_modify(|known| known.open.extend(open));
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.known.send_modify(|known| known.serving = known.serving.saturating_sub(1));
    }
}

/// Goes through the stages; those who wait for it go on when it is dropped.
pub(crate) struct Lead {
    known: watch::Sender<Known>,
}

impl Drop for Lead {
    fn drop(&mut self) {
        self.known.send_modify(|known| known.is_over = true);
    }
}
