//! A notice and a routing for the tests of the channels.

use serde_json::json;
use silkline_protocol::time::Timestamp;

use crate::api::example::incident_json;
use crate::config::{LEAST, Routing};
use crate::store::rows::OutboxRow;

/// A notice of one break, for the channel `noc`.
pub(crate) fn row(reason: &str) -> OutboxRow {
    let mut incident = incident_json("i-1", "open");
    incident["evidence"] = json!([
        { "id": "e1", "kind": "otdr", "view": "ganja-b", "optical_m": 28_780.5, "random_m": 2.0,
          "group_index": 1.4682 },
    ]);
    let created = Timestamp::from_seconds(1_700_000_000);
    OutboxRow {
        id: 7,
        channel: "noc".to_owned(),
        incident: "i-1".parse().unwrap(),
        reason: reason.to_owned(),
        text: "Break on Digital Silk Way, km 28.420 ± 18 m".to_owned(),
        json: incident,
        created,
        tries: 0,
        next_try: created,
    }
}

/// A channel that takes everything that touches service, at once.
pub(crate) fn routing(name: &str) -> Routing {
    Routing {
        name: name.to_owned(),
        least: LEAST,
        lines: None,
        kinds: None,
        hours: None,
        after: None,
    }
}
