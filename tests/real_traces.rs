//! A test unit drops every real OTDR file that we have into the watched folder, all at once.
//!
//! All arrive byte for byte, none blocks another; a file that comes twice is kept once.

use std::collections::BTreeSet;

use sha2::{Digest, Sha256};

use crate::ground::network::Network;
use crate::ground::{shared_data, wait};

pub(crate) fn otdr(folder: &std::path::Path) -> String {
    let folder = folder.display();
    format!(
        "[[device]]\nid = \"otdr-1\"\nprofile = \"silkline-otdr\"\nfolder = \"{folder}\"\nsettle = \"200ms\"\n\
         [[device.view]]\nport = 1\nview = \"west-b\"\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn every_real_file_arrives_byte_for_byte() {
    let Some(files) = shared_data("sor") else {
        return;
    };
    let network = Network::embedded();
    let dropped = network.folder().join("rtu");
    std::fs::create_dir_all(&dropped).unwrap();
    let _collector = network.collector_with_broker("").await;
    let _agent = network.agent("west", &otdr(&dropped));
    let mut sent = BTreeSet::new();
    for (at, entry) in std::fs::read_dir(files).unwrap().flatten().enumerate() {
        let path = entry.path();
        let is_sor = path
            .extension()
            .is_some_and(|extension| extension.eq_ignore_ascii_case("sor"));
        if !is_sor {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        sent.insert(Sha256::digest(&bytes).to_vec());
        std::fs::write(dropped.join(format!("otdr-1-p1-{at}.sor")), &bytes).unwrap();
        if at % 5 == 0 {
            std::fs::write(dropped.join(format!("otdr-1-p1-again-{at}.sor")), &bytes).unwrap();
        }
    }
    assert!(sent.len() >= 20, "{} real files", sent.len());
    let stored = || -> Vec<Vec<u8>> {
        let store = network.hot_store();
        let mut statement = store.prepare("SELECT sor FROM trace").unwrap();
        let rows = statement
            .query_map([], |row| row.get::<_, Vec<u8>>(0))
            .unwrap();
        rows.map(|row| Sha256::digest(row.unwrap()).to_vec())
            .collect()
    };
    let arrived = wait("every real trace in the store", async || {
        let arrived = stored();
        (arrived.len() >= sent.len()).then_some(arrived)
    })
    .await;
    assert_eq!(
        arrived.iter().cloned().collect::<BTreeSet<_>>(),
        sent,
        "byte for byte"
    );
    wait("the folder to be empty of files", async || {
        let left = std::fs::read_dir(&dropped).unwrap().flatten();
        (left.filter(|entry| entry.path().is_file()).count() == 0).then_some(())
    })
    .await;
    assert_eq!(
        stored().len(),
        sent.len(),
        "a file that came twice is kept once"
    );
    println!("{} real files arrived byte for byte", sent.len());
}
