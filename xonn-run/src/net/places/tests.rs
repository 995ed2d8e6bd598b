use super::*;

fn bounds(at_once: usize, queue: usize) -> Bounds {
    Bounds {
        at_once,
        per_address: usize::MAX,
        queue,
        patience: Duration::from_millis(200),
        idle: Duration::ZERO,
        total: None,
    }
}

/// A peer of an address that is named by its last byte.
fn peer(address: u8) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, address], 1))
}

fn never(_: Wait) -> bool {
    panic!("it need not wait")
}

#[test]
fn places_are_given_in_turn_and_waiting_has_an_end() {
    let places = &Places::new(bounds(1, 1));
    let first = places.take(peer(1), never).expect("free");
    std::thread::scope(|scope| {
        let (seen, saw) = std::sync::mpsc::channel();
        let second = scope.spawn(move || places.take(peer(1), |wait| seen.send(wait).is_ok()).is_some());
        assert_eq!(saw.recv().expect("it waits"), Wait { before: 0, seconds: 0 });
        assert!(places.take(peer(1), |_| true).is_none(), "one may wait, and one does");
        drop(first);
        assert!(second.join().expect("no panic"), "its turn");
    });
    let held = places.take(peer(1), never).expect("free again");
    let begin = Instant::now();
    assert!(places.take(peer(1), |_| true).is_none());
    assert!(begin.elapsed() >= Duration::from_millis(200), "its patience");
    assert!(places.take(peer(1), |_| false).is_none(), "it has gone");
    drop(held);
    assert!(places.take(peer(1), |_| true).is_some(), "nobody is left in front");
}

#[test]
fn when_all_are_given_nobody_waits() {
    let places = Places::new(Bounds { total: Some(1), ..bounds(1, 5) });
    let _place = places.take(peer(1), |_| true).expect("one");
    assert!(places.all_given() && places.take(peer(1), |_| true).is_none());
}

/// Has a client wait; its place arrives when it gets it, and `None` if it is sent away.
fn wait<'scope, 'p: 'scope>(
    scope: &'scope std::thread::Scope<'scope, '_>,
    places: &'p Places,
    address: u8,
) -> std::sync::mpsc::Receiver<Option<Place<'p>>> {
    let (waits, waiting) = std::sync::mpsc::channel();
    let (done, outcome) = std::sync::mpsc::channel();
    scope.spawn(move || {
        let place = places.take(peer(address), |_| waits.send(()).is_ok());
        let _ = done.send(place);
    });
    waiting.recv().expect("it waits");
    // Its channel is dropped here, and the client would count as gone: it is told once in two seconds only.
    std::mem::forget(waiting);
    outcome
}

#[test]
fn an_address_has_so_many_places_and_is_passed_over_while_it_has_them() {
    let patient = Duration::from_secs(30);
    let places = &Places::new(Bounds { per_address: 2, patience: patient, ..bounds(3, 5) });
    let [a, b] = [1, 1].map(|address| places.take(peer(address), never).expect("free"));
    std::thread::scope(|scope| {
        let third = wait(scope, places, 1);
        let other =
            places.take(peer(2), never).expect("there is a place, and the one in front may not have it");
        let last = wait(scope, places, 3);
        assert!(third.try_recv().is_err() && last.try_recv().is_err());
        drop(other);
        let last = last.recv().expect("an outcome").expect("still not of the first address");
        drop(a);
        let third = third.recv().expect("an outcome").expect("now it has one");
        drop((b, third, last));
    });
    assert!(!places.busy() && places.state().held.is_empty());
}

#[test]
fn one_address_cannot_fill_the_queue() {
    let patient = Duration::from_secs(30);
    let places = &Places::new(Bounds { patience: patient, ..bounds(1, 3) });
    let held = places.take(peer(1), never).expect("free");
    std::thread::scope(|scope| {
        let crowd = [1, 1, 1].map(|address| wait(scope, places, address));
        assert!(places.take(peer(1), |_| true).is_none(), "the queue is full for that address");
        let other = wait(scope, places, 2);
        assert!(crowd[2].recv().expect("an outcome").is_none(), "the last of the crowd has to leave");
        drop(held);
        for waiting in [&crowd[0], &crowd[1], &other] {
            assert!(waiting.recv().expect("an outcome").is_some(), "in turn");
        }
    });
}

#[test]
fn the_idlest_leaves_if_somebody_waits_whom_that_helps() {
    let patient = Duration::from_secs(30);
    let idle = Duration::from_millis(50);
    let places = &Places::new(Bounds { per_address: 2, patience: patient, idle, ..bounds(3, 5) });
    let [a, b, c] = [1, 1, 2].map(|address| places.take(peer(address), never).expect("free"));
    let begin = Instant::now();
    std::thread::sleep(2 * idle);
    let later = Instant::now() - idle;
    assert!(!a.recall(later) && !b.recall(begin) && !c.recall(begin), "nobody waits");
    std::thread::scope(|scope| {
        let third = wait(scope, places, 1);
        assert!(!c.recall(begin - idle), "its place would not help: the address has its two");
        c.busy();
        assert!(!a.recall(later), "it is not the idlest");
        b.busy();
        assert!(!b.recall(Instant::now()), "it has just been answered");
        assert!(a.recall(later), "now it is");
        let third = third.recv().expect("an outcome").expect("its turn");
        drop(a);
        assert_eq!(places.state().seats.len(), 3, "a place is not given back twice");
        let fourth = wait(scope, places, 4);
        assert!(c.recall(begin), "of any address");
        drop((b, third, fourth.recv().expect("an outcome").expect("its turn"), c));
    });
    assert!(!places.busy());
}
