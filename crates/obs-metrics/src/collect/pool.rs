//! Pools of connections, threads, permits: used, free, waiting.

use crate::error::Error;
use crate::family::GaugeVec;
use crate::metric::Gauge;
use crate::registry::Registry;

/// The gauges of one pool, for utilisation and saturation (USE): `pool_connections{pool,state}` with the
/// states `used` and `idle`, `pool_connections_max{pool}` and `pool_waiting{pool}`.
///
/// Several pools share the metrics. Set them where the pool tells of a change, or from a task of yours
/// every few seconds.
///
/// ```
/// use obs_metrics::{Registry, collect::Pool};
///
/// let registry = Registry::new();
/// let orders = Pool::new(&registry, "orders-db", 20)?;
/// orders.set(3, 2, 0);                                // used, idle, waiting
/// assert!(registry.encode_text().contains(r#"pool_connections{pool="orders-db",state="used"} 3"#));
/// # Ok::<(), obs_metrics::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pool {
    used: Gauge,
    idle: Gauge,
    waiting: Gauge,
}

impl Pool {
    /// The gauges of the pool of this name, which holds at most so many.
    pub fn new(registry: &Registry, name: &str, most: usize) -> Result<Self, Error> {
        let connections: GaugeVec<2> =
            registry.gauge_vec("pool_connections", "Connections by state.", ["pool", "state"])?;
        let limit = registry.gauge_vec("pool_connections_max", "Most connections.", ["pool"])?;
        let waiting =
            registry.gauge_vec("pool_waiting", "Callers that wait for a connection.", ["pool"])?;
        limit.with([name]).set(most as f64);
        Ok(Self {
            used: connections.handle([name, "used"]),
            idle: connections.handle([name, "idle"]),
            waiting: waiting.handle([name]),
        })
    }

    /// How many are in use, how many are free, and how many callers wait for one.
    pub fn set(&self, used: usize, idle: usize, waiting: usize) {
        self.used.set(used as f64);
        self.idle.set(idle as f64);
        self.waiting.set(waiting as f64);
    }
}
