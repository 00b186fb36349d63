//! What an engine goes by; every default says why it is that number.

use core::time::Duration;

/// Settings of a line engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EngineSettings {
    /// A loss that one direction alone shows waits this long for the other.
    ///
    /// Two polls of a second that are not aligned show both directions of a cut within a second,
    /// a third of it on average; 300 ms after the first settled one most are there.
    pub join: Duration,
    /// A loss that polls cannot settle is judged after this long as it stands, where the device
    /// before it is polled every second; slower ones are given one and a half of their polls.
    pub hold: Duration,
    /// Findings wait this long for a cause that explains them before they become one themselves.
    ///
    /// An amplifier's own alarms and its neighbours' arrive within two polls of the loss.
    pub grace: Duration,
    /// Silence within this time after a loss of light belongs to it: an agent's uplink may run
    /// over the fibre that was cut, and a broker takes one and a half keep-alives to notice.
    pub wake: Duration,
    /// All must be well for this long before an incident is over; a flap within it is held.
    pub settle: Duration,
    /// Back within this time after it was over, it is the same incident.
    pub reopen: Duration,
    /// An incident that is over is closed after this long, if nobody does it before.
    pub close: Duration,
}

impl Default for EngineSettings {
    fn default() -> Self {
        Self {
            join: Duration::from_millis(300),
            hold: Duration::from_millis(1300),
            grace: Duration::from_secs(4),
            wake: Duration::from_secs(120),
            settle: Duration::from_secs(10),
            reopen: Duration::from_secs(600),
            close: Duration::from_secs(24 * 3600),
        }
    }
}
