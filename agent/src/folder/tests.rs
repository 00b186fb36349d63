//! The folder with real files and a real spool.

use std::path::{Path, PathBuf};

use silkline_protocol::message::EventKind;
use silkline_sor::{Acquisition, Curve, GroupIndex, OneWayTime, Pulse, Sor, write};

use super::*;
use crate::rig::{Site, wait_until};

/// The bytes of a small trace; each `seed` gives another.
pub(crate) fn trace(seed: u16) -> Vec<u8> {
    let pulse = Pulse {
        width_ns: 100,
        spacing: OneWayTime::from_hundredths_of_ps(250_000),
    };
    let acquisition = Acquisition::new(pulse, GroupIndex::new(1.4682), 1550.0);
    let curve = Curve {
        scale: 1000,
        raw: (10_000 + seed..12_000).collect(),
    };
    write(&Sor::new(acquisition, curve))
}

fn site(folder: &Path, keys: &str) -> Site {
    let text = format!(
        "site = \"ganja\"\nlines = [\"baku-poti\"]\n[[device]]\nid = \"otdr-1\"\n\
         profile = \"silkline-otdr\"\nfolder = {folder:?}\nscan = \"10ms\"\nsettle = \"40ms\"\n{keys}\n\
         [[device.view]]\nport = 1\nview = \"ganja-east\"\n"
    );
    Site::start(&text)
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn payloads(site: &Site) -> Vec<Vec<u8>> {
    site.store
        .of("otdr-1", "trace")
        .into_iter()
        .map(|stored| stored.payload)
        .collect()
}

async fn traces(site: &Site, many: usize) -> Vec<Vec<u8>> {
    site.store
        .wait("traces", |_| {
            Some(payloads(site)).filter(|found| found.len() >= many)
        })
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn files_arrive_byte_for_byte_and_rubbish_blocks_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("a-rubbish.sor"), b"this is no trace").unwrap();
    std::fs::write(path("b-empty.sor"), b"").unwrap();
    std::fs::write(path("notes.txt"), b"call Rashad").unwrap();
    std::fs::write(path(".hidden.sor"), trace(9)).unwrap();
    std::fs::write(path("later.sor.part"), trace(8)).unwrap();
    std::fs::write(path("d-huge.sor"), vec![0u8; 4 * 1024 * 1024 + 1]).unwrap();
    for seed in 1..=3 {
        std::fs::write(path(&format!("otdr-1-p{seed}-x.SOR")), trace(seed)).unwrap();
    }
    let site = site(folder.path(), "give_up = \"100ms\"");
    site.watch("otdr-1");
    let mut found = traces(&site, 3).await;
    found.sort();
    let mut sent: Vec<Vec<u8>> = (1..=3).map(trace).collect();
    sent.sort();
    assert_eq!(found, sent);
    site.store
        .wait("four refusals", |store| {
            (store.events("otdr-1").len() == 4).then_some(())
        })
        .await;
    let events = site.store.events("otdr-1");
    assert!(
        events
            .iter()
            .all(|event| event.kind == EventKind::FileRefused)
    );
    let failed = path("failed");
    wait_until("the refused files to be put away", || {
        names(&failed).len() == 8
    })
    .await;
    let reason = std::fs::read_to_string(failed.join("a-rubbish.sor.reason")).unwrap();
    assert!(reason.starts_with("not_sor: "), "{reason}");
    let reason = std::fs::read_to_string(failed.join("d-huge.sor.reason")).unwrap();
    assert!(reason.contains("4194305 bytes"), "{reason}");
    assert_eq!(
        names(folder.path()),
        [".hidden.sor", "done", "failed", "later.sor.part"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_still_being_written_is_taken_whole() {
    let folder = tempfile::tempdir().unwrap();
    let site = site(folder.path(), "");
    site.watch("otdr-1");
    let whole = trace(1);
    let path = folder.path().join("otdr-1-p1-slow.sor");
    let mut written = std::fs::File::create(&path).unwrap();
    for part in whole.chunks(whole.len() / 8 + 1) {
        io::Write::write_all(&mut written, part).unwrap();
        // Longer than `settle`: what is there is looked at and found to be no whole trace.
        tokio::time::sleep(std::time::Duration::from_millis(80)).await;
    }
    drop(written);
    assert_eq!(traces(&site, 1).await, [whole]);
    assert!(site.store.events("otdr-1").is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_not_sent_again_even_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let drop_in = |name: &str, seed: u16| {
        std::fs::write(folder.path().join(name), trace(seed)).unwrap();
    };
    drop_in("one.sor", 1);
    let done = folder.path().join("done");
    {
        let site = site(folder.path(), "");
        site.watch("otdr-1");
        traces(&site, 1).await;
        wait_until("the first", || names(&done) == ["one.sor"]).await;
        drop_in("again.sor", 1);
        drop_in("one.sor", 1);
        wait_until("the repeats", || names(&done).len() == 3).await;
        assert_eq!(payloads(&site).len(), 1);
        assert!(names(&done).contains(&"1-one.sor".to_owned()));
    }
    let site = site(folder.path(), "");
    drop_in("once-more.sor", 1);
    drop_in("two.sor", 2);
    site.watch("otdr-1");
    assert_eq!(traces(&site, 1).await, [trace(2)]);
    wait_until("the repeat", || {
        names(&done).contains(&"once-more.sor".to_owned())
    })
    .await;
    assert_eq!(payloads(&site).len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn done_and_failed_are_bounded() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..12u16 {
        std::fs::write(folder.path().join(format!("{seed:02}.sor")), trace(seed)).unwrap();
        std::fs::write(folder.path().join(format!("{seed:02}.txt")), [7u8; 20]).unwrap();
    }
    let keys = "give_up = \"50ms\"\ndone_keep = 4\nfailed_keep = 2";
    let site = site(folder.path(), keys);
    site.watch("otdr-1");
    traces(&site, 12).await;
    wait_until("the folder to be empty", || {
        names(folder.path()) == ["done", "failed"]
    })
    .await;
    wait_until("done/ to be tidied", || {
        names(&folder.path().join("done")).len() == 4
    })
    .await;
    wait_until("failed/ to be tidied", || {
        names(&folder.path().join("failed")).len() == 4
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_real_file_that_we_have_is_taken() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/sor");
    let Ok(listing) = std::fs::read_dir(&data) else {
        println!("skipped: no {}", data.display());
        return;
    };
    let is_sor = |path: &PathBuf| {
        path.extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("sor"))
    };
    let files: Vec<PathBuf> = listing
        .map(|entry| entry.unwrap().path())
        .filter(is_sor)
        .collect();
    let folder = tempfile::tempdir().unwrap();
    let mut sent = Vec::new();
    for path in &files {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(folder.path().join(file_name(path)), &bytes).unwrap();
        sent.push(bytes);
    }
    sent.sort();
    sent.dedup();
    let site = site(folder.path(), "");
    site.watch("otdr-1");
    let mut found = traces(&site, sent.len()).await;
    found.sort();
    assert!(
        found == sent,
        "{} sent, {} arrived",
        sent.len(),
        found.len()
    );
}
