//! Tests of listings, with a worker that turns and with one that does not.

use dataplane::control::Selection;

use super::*;
use crate::testing::{ECHO, Rig};

const FLOWS: u16 = 3000;
const FLOWS_OF_ALL: Command = Command::ListFlows(Selection::ALL);

async fn count(state: &Arc<State>, command: Command) -> Result<usize, ListingError> {
    let mut listing = start(state, command, None);
    let mut count = 0;
    while let Some(batch) = listing.recv().await {
        let batch = batch?;
        assert_eq!(batch.lcore, 5);
        assert!(!batch.reports.is_empty() && !batch.reports.contains(&Report::End));
        count += batch.reports.len();
    }
    Ok(count)
}

#[tokio::test]
async fn every_flow_comes_once_whatever_the_size_of_the_ring() {
    let rig = Rig::turning(ECHO);
    assert_eq!(count(&rig.state, FLOWS_OF_ALL).await, Ok(0));
    rig.datagrams("192.0.2.10:7", FLOWS);
    assert_eq!(count(&rig.state, FLOWS_OF_ALL).await, Ok(usize::from(FLOWS)));
    assert!(count(&rig.state, Command::ListNeighbors).await.unwrap() >= 2, "both real servers");
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_the_ring_as_it_was() {
    let rig = Rig::turning(ECHO);
    rig.datagrams("192.0.2.10:7", FLOWS);
    for taken in 0..3 {
        let mut listing = start(&rig.state, FLOWS_OF_ALL, None);
        for _ in 0..taken {
            listing.recv().await.unwrap().unwrap();
        }
        drop(listing);
        assert_eq!(count(&rig.state, FLOWS_OF_ALL).await, Ok(usize::from(FLOWS)));
    }
}

#[tokio::test]
async fn listings_at_the_same_time_do_not_mix() {
    let rig = Rig::turning(ECHO);
    rig.datagrams("192.0.2.10:7", FLOWS);
    let (first, neighbors, second) = tokio::join!(
        count(&rig.state, FLOWS_OF_ALL),
        count(&rig.state, Command::ListNeighbors),
        count(&rig.state, FLOWS_OF_ALL),
    );
    assert_eq!((first, second), (Ok(usize::from(FLOWS)), Ok(usize::from(FLOWS))));
    assert!(neighbors.unwrap() < 10);
}

#[tokio::test]
async fn a_worker_that_stands_still_is_reported() {
    let rig = Rig::standing(ECHO);
    let silent = Err(ListingError::Silent(5));
    assert_eq!(count(&rig.state, FLOWS_OF_ALL).await, silent);
}

/// Returns when all tasks have run whose time has come.
async fn let_others_run() {
    // Of those whose time comes together, the test is the first to run.
    for _ in 0..3 {
        sleep(PAUSE * 5).await;
    }
}

/// Has the time pass that a task waits for a client.
async fn lose_patience() {
    tokio::time::pause();
    tokio::time::advance(CLIENT_PATIENCE * 2).await;
    tokio::time::resume();
    let_others_run().await;
}

#[tokio::test]
async fn a_client_that_reads_on_too_late_is_told_that_something_is_missing() {
    let rig = Rig::turning(ECHO);
    rig.datagrams("192.0.2.10:7", FLOWS);
    let mut listing = start(&rig.state, FLOWS_OF_ALL, None);
    while listing.batches.len() < BATCHES_WAITING {
        sleep(PAUSE).await;
    }
    // For the worker to have more, and the task to find no room for it.
    rig.turns(1000);
    let_others_run().await;
    lose_patience().await;
    // It reads the rest, and has the ring until then.
    drop(rig.state.workers.iter().next().unwrap().ring.lock().await);
    // There is no room to tell the client, either.
    let_others_run().await;
    lose_patience().await;
    for _ in 0..BATCHES_WAITING {
        assert!(listing.recv().await.unwrap().is_ok());
    }
    assert_eq!(listing.recv().await.unwrap().unwrap_err(), ListingError::Slow);
    assert!(listing.recv().await.is_none());
    assert_eq!(count(&rig.state, FLOWS_OF_ALL).await, Ok(usize::from(FLOWS)));
}
