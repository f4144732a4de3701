use std::io;
use obs_logging::{Builder, Format, Output, Delivery, WhenFull};
use tracing::{info, info_span, Dispatch, dispatcher};
use tracing_subscriber::layer::SubscriberExt;
fn event() { info!(user_id = 123_u64, name = "Alice", ratio = 0.25, "user created"); }
#[inline(never)]
fn one(n: u32) { let _s = info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders").entered(); for _ in 0..n { event() } }
#[inline(never)]
fn none(n: u32) { for _ in 0..n { event() } }
#[inline(never)]
fn three(n: u32) {
        let _span = info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders").entered();
        let _span = info_span!("order", order_id = 7_u64, customer = "acme", items = 3_u64).entered();
        let _span = info_span!("payment", provider = "bank", attempt = 1_u64, amount = 12.5).entered();
 for _ in 0..n { event() } }
#[inline(never)]
fn request(n: u32) { for _ in 0..n { let span = info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders"); let _e = span.enter(); event(); event(); event(); } }
#[inline(never)]
fn spans(n: u32) { for _ in 0..n { let span = info_span!("request", request_id = "0190f6a8-5a5f-7ccc", method = "GET", path = "/orders"); let _e = span.enter(); } }
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let n: u32 = a[2].parse().unwrap();
    let delivery = if a.get(3).is_some_and(|q| q == "q") { Delivery::NonBlocking { buffer_bytes: 8 << 20, when_full: WhenFull::Block } } else { Delivery::Blocking };
    let (layer, logging) = Builder::new().format(Format::Json).filter("info").output(Output::writer(io::sink())).delivery(delivery).build().unwrap();
    let d = Dispatch::new(tracing_subscriber::registry().with(layer));
    let peer = Dispatch::new(tracing_subscriber::registry().with(tracing_subscriber::filter::LevelFilter::INFO).with(tracing_subscriber::fmt::layer().json().with_writer(io::sink)));
    let f: fn(u32) = match &*a[1] { "one" => one, "none" => none, "three" => three, "request" => request, "spans" => spans, _ => panic!() };
    if a.get(3).is_some_and(|q| q == "v") { dispatcher::with_default(&d, || f(n)); return; }
    let (mut o, mut p) = (f64::MAX, f64::MAX);
    for _ in 0..40 {
        let t = std::time::Instant::now(); dispatcher::with_default(&d, || f(n)); logging.flush(std::time::Duration::from_secs(9)); o = o.min(t.elapsed().as_secs_f64());
        let t = std::time::Instant::now(); dispatcher::with_default(&peer, || f(n / 8)); p = p.min(t.elapsed().as_secs_f64() * 8.0);
    }
    println!("{} ours {:.1} ns  peer {:.1} ns  ratio {:.1}", a[1], o / f64::from(n) * 1e9, p / f64::from(n) * 1e9, p / o);
}
