//! The books of what was taken, kept and given up.

use super::*;

/// Whether the books say what the file holds, kind by kind.
fn adds_up(spool: &SpoolHandle) -> Account {
    let status = spool.status().borrow().clone();
    assert_eq!(
        status.account.waiting(),
        status.waiting,
        "{:?}",
        status.account
    );
    assert_eq!(status.waiting.total(), status.depth);
    status.account
}

#[tokio::test]
async fn an_event_between_any_two_samples_for_long_is_counted_well_and_quickly() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = writer(settings(folder.path()));
    let pair = |at| [Task::Append(sample(at)), Task::Append(event())];
    let tasks: Vec<Task> = (0..4_000).map(f64::from).flat_map(pair).collect();
    tasks
        .chunks(2_000)
        .for_each(|some| writer.transact(some).unwrap());
    let state = state(writer.epoch(), &[[1, 1_001], [3_000, 3_001]]);
    writer.transact(&[Task::Committed(line(), state)]).unwrap();
    let status = writer.status();
    let wanted = Counts {
        events: 3_499,
        samples: 3_498,
        ..Counts::default()
    };
    assert_eq!((status.waiting, status.account.waiting()), (wanted, wanted));
    drop(writer);
    let found = open(folder.path()).status().borrow().account.found;
    assert_eq!(found, wanted, "counted anew from the file");
}

#[tokio::test]
async fn the_books_add_up_over_kills_full_spools_and_restored_collectors() {
    let folder = tempfile::tempdir().unwrap();
    let mut small = settings(folder.path());
    small.max_bytes = 20_000;
    let mut random = 7u64;
    let (mut before, mut lost) = (Counts::default(), Counts::default());
    for run in 0..6 {
        // The handle of the last run is gone without a word: every transaction is synced, so that is
        // what a kill leaves behind.
        let spool = open_with(small.clone());
        assert_eq!(adds_up(&spool).found, before, "run {run}");
        for step in 0..60u64 {
            random = random
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            match (random >> 33) % 8 {
                0 => spool.append(event()).await.unwrap(),
                1 => spool.append(trace(2_000)).await.unwrap(),
                2 => spool.append(about()).await.unwrap(),
                3 => {
                    // Some of it, or, as after a restore, less than before.
                    let some = state(spool.epoch(), &[[1, 1 + (random >> 40) % 40]]);
                    believed(&spool, some).await;
                }
                _ => spool.append(sample(step as f64)).await.unwrap(),
            }
            adds_up(&spool);
        }
        before = spool.status().borrow().waiting;
        let account = adds_up(&spool);
        lost += account.dropped;
        let status = spool.status().borrow().clone();
        assert_eq!(account.dropped.samples, status.dropped.samples);
        assert_eq!(account.dropped.traces, status.dropped.traces);
    }
    assert!(
        lost.samples > 0 && lost.traces > 0,
        "the spool was full: {lost:?}"
    );
}

#[tokio::test]
async fn a_transaction_that_fails_leaves_the_books_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let spool = open(folder.path());
    spool.append(sample(1.0)).await.unwrap();
    let file = rusqlite::Connection::open(folder.path().join("spool.db")).unwrap();
    file.execute_batch(
        "CREATE TRIGGER full BEFORE INSERT ON record BEGIN SELECT RAISE(FAIL, 'disk full'); END;",
    )
    .unwrap();
    assert!(spool.append(event()).await.is_err());
    assert_eq!(adds_up(&spool).taken, Counts::one(Class::Sample));
    file.execute_batch("DROP TRIGGER full").unwrap();
    spool.append(event()).await.unwrap();
    assert_eq!(adds_up(&spool).taken.events, 1);
}
