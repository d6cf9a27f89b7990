//! Nobody reaches a namespace that is not open to him: not with any key, header, id, token or filter,
//! neither to read, nor to count, nor to write, nor to learn what is there.

mod calls;
mod model;
mod mutations;
mod revocation;
mod statements;
mod tokens;
mod world;

use std::panic::resume_unwind;

use calls::Calls;
use world::World;

use crate::support::database::{TestDatabase, databases, sqlite};
use crate::support::dice::Dice;

/// Calls on each database.
const ROUNDS: usize = 10_000;
/// Rounds after which everything is looked through.
const INSPECTION: usize = 500;
/// The variable for another seed than the usual one.
const SEED: &str = "ISOLATION_SEED";

fn seed() -> u64 {
    std::env::var(SEED).map_or(0x5eed, |seed| seed.parse().unwrap())
}

async fn play(database: TestDatabase, rounds: usize) {
    let name = database.name;
    println!("{name}: {SEED}={}", seed());
    let world = World::new(&database).await;
    let mut calls = Calls { world, dice: Dice::new(seed()), tokens: Vec::new() };
    for round in 1..=rounds {
        calls.round(round).await;
        if round % INSPECTION == 0 || round == rounds {
            calls.assert_everything_holds().await;
        }
    }
    database.remove().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_a_namespace_shows_or_changes_in_another() {
    let games = databases().await.into_iter().map(|database| tokio::spawn(play(database, ROUNDS)));
    for game in games.collect::<Vec<_>>() {
        if let Err(error) = game.await {
            resume_unwind(error.into_panic());
        }
    }
}
