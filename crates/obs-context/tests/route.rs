//! Routes are interned without a lock: alone in its process, because that has room for so many only.

#![allow(clippy::unwrap_used, reason = "it is a test")]

use std::collections::HashSet;
use std::sync::Barrier;

use obs_context::Route;

#[test]
fn concurrent_interning_returns_equal_routes() {
    const TEMPLATES: usize = 1000;
    const THREADS: usize = 4;
    let template = |number: usize| format!("/tenants/{{tenant}}/things-{number}/{{id}}");
    let together = Barrier::new(THREADS);
    let intern_all = |thread: usize| {
        together.wait();
        let order = (0..TEMPLATES).map(|step| (step * 7 + thread * 251) % TEMPLATES);
        let mut routes: Vec<_> =
            order.map(|number| (number, Route::intern(&template(number)))).collect();
        routes.sort_by_key(|(number, _)| *number);
        routes
    };
    let known: Vec<_> = std::thread::scope(|scope| {
        let start = |thread| scope.spawn(move || intern_all(thread));
        let threads: Vec<_> = (0..THREADS).map(start).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    for routes in &known {
        assert_eq!(routes, &known[0]);
    }
    for (number, route) in &known[0] {
        assert_eq!(route.as_str(), template(*number));
    }
    let different: HashSet<_> = known[0].iter().map(|(_, route)| route).collect();
    assert_eq!(different.len(), TEMPLATES);
    assert_eq!(Route::refused(), 0);
    // Beginnings and ends of what is known are other templates.
    for text in ["", "/", "/tenants/{tenant}/things-1/{id", "/tenants/{tenant}/things-1/{id}/"] {
        assert_eq!(Route::intern(text).as_str(), text);
    }
}
