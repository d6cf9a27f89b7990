use futures::FutureExt as _;

use super::*;

const A: Party = Some(NamespaceId(1));
const B: Party = Some(NamespaceId(2));

fn turns(all: usize, one_namespace: usize, bulk: usize) -> Turns {
    Turns::new(Room { all, one_namespace, bulk })
}

/// Whoever waits here, to be asked whether his turn has come.
type Waiting = std::pin::Pin<Box<dyn Future<Output = Result<Turn, Error>>>>;

/// Somebody who stands in line.
fn waiting(turn: impl Future<Output = Result<Turn, Error>> + 'static) -> Waiting {
    let mut turn: Waiting = Box::pin(turn);
    assert!((&mut turn).now_or_never().is_none());
    turn
}

fn call(turns: &Turns, party: Party) -> Waiting {
    let turns = turns.clone();
    waiting(async move { turns.soon(party).await })
}

fn bulk(turns: &Turns, party: Party) -> Waiting {
    let turns = turns.clone();
    waiting(async move { turns.in_bulk(party).await })
}

/// Lets everybody go on as his turn comes, one at a time; who they were, in order.
fn served(mut waiting: Vec<(&'static str, Waiting)>, first: Turn) -> Vec<&'static str> {
    let mut order = Vec::new();
    let mut using = Some(first);
    while !waiting.is_empty() {
        drop(using.take());
        let next = waiting
            .iter_mut()
            .enumerate()
            .find_map(|(place, (_, turn))| turn.now_or_never().map(|turn| (place, turn.unwrap())));
        let (place, turn) = next.expect("somebody's turn comes");
        order.push(waiting.remove(place).0);
        using = Some(turn);
    }
    order
}

#[tokio::test]
async fn namespaces_take_turns() {
    let turns = turns(1, 1, 1);
    let first = turns.soon(A).await.unwrap();
    let line = vec![
        ("a1", call(&turns, A)),
        ("a2", call(&turns, A)),
        ("a3", call(&turns, A)),
        ("b1", call(&turns, B)),
        ("none", call(&turns, None)),
    ];
    assert_eq!(served(line, first), ["a1", "b1", "none", "a2", "a3"]);
    assert!(turns.lock().using.is_empty());
}

#[tokio::test]
async fn bulk_work_comes_after_the_calls_that_waited_and_before_later_ones() {
    let turns = turns(1, 1, 1);
    let first = turns.in_bulk(A).await.unwrap();
    let line = vec![
        ("a1", call(&turns, A)),
        ("a2", call(&turns, A)),
        ("bulk a", bulk(&turns, A)),
        ("bulk a again", bulk(&turns, A)),
        ("a3", call(&turns, A)),
        ("bulk b", bulk(&turns, B)),
        ("b1", call(&turns, B)),
    ];
    let order = ["a1", "b1", "bulk a", "a2", "a3", "bulk b", "bulk a again"];
    assert_eq!(served(line, first), order);
}

#[tokio::test]
async fn one_namespace_leaves_room_for_another_and_bulk_work_for_calls() {
    let turns = turns(4, 3, 2);
    let mut slow = Vec::new();
    for _ in 0..3 {
        slow.push(turns.soon(A).await.unwrap());
    }
    let fourth = call(&turns, A);
    drop(turns.soon(B).now_or_never().expect("there is room for another").unwrap());
    slow.pop();
    drop(fourth.now_or_never().unwrap().unwrap());

    let _bulk = [turns.in_bulk(B).await.unwrap(), turns.in_bulk(B).await.unwrap()];
    slow.pop();
    let third = bulk(&turns, B);
    drop(turns.soon(B).now_or_never().expect("there is room for a call").unwrap());
    drop(_bulk);
    assert!(third.now_or_never().is_some());
}

#[tokio::test]
async fn who_leaves_holds_nobody_up() {
    let turns = turns(1, 1, 1);
    let first = turns.soon(A).await.unwrap();
    for _ in 0..1_000 {
        drop(call(&turns, A));
        drop(bulk(&turns, B));
    }
    // One who leaves after his turn came, and before he knew.
    let unaware = call(&turns, B);
    let last = call(&turns, A);
    drop(first);
    drop(unaware);
    assert!(last.now_or_never().is_some());
    assert!(turns.soon(A).now_or_never().is_some());
    let state = turns.lock();
    assert!(state.using.is_empty() && state.calls.is_empty() && state.bulk.is_empty());
}

#[tokio::test]
async fn a_call_does_not_wait_for_ever() {
    let turns = turns(1, 1, 1);
    let _using = turns.in_bulk(A).await.unwrap();
    assert!(matches!(turns.soon(B).await, Err(Error::Unavailable(_))));
}
