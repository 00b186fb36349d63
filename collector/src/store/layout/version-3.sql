-- The hot store: one SQLite file, written by the commit task alone, read by everybody else.
-- Times are UTC nanoseconds since 1970. Ids of lines, sites and devices are the text of the plant file.
--
-- One number sequence runs through `sample`, `trace`, `record` and the revisions of incidents: it
-- rises by one for each row, in the order in which the engines saw it, and is never used twice
-- (`meta.next` goes up in the same transaction). So a cursor that has passed a number has seen
-- everything below it, and a replay is a merge by id.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One transaction of the commit task, with the time its engines were stepped with.
-- Rows numbered first..last arrived in it; last = first - 1 where only timers ran. Behind the oldest
-- snapshot every 256th is kept: enough to know how old a row is.
CREATE TABLE step (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    now   INTEGER NOT NULL,
    first INTEGER NOT NULL,
    last  INTEGER NOT NULL
);

-- What one epoch of one agent has delivered for one line: closed ranges and lost numbers, as JSON.
CREATE TABLE stream (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    line  TEXT NOT NULL,
    site  TEXT NOT NULL,
    epoch BLOB NOT NULL,
    agent TEXT NOT NULL,
    state TEXT NOT NULL,
    UNIQUE (line, site, epoch)
);

-- A device as one line sees it: a hut's battery has a row for every line through the hut.
CREATE TABLE device (
    ref   INTEGER PRIMARY KEY,
    line  TEXT NOT NULL,
    site  TEXT NOT NULL,
    device TEXT NOT NULL,
    about TEXT,              -- JSON, the latest
    seen  INTEGER,           -- when its newest sample was taken, by its own time
    newest INTEGER,          -- the id of that sample
    UNIQUE (line, site, device)
);
CREATE INDEX device_by_site ON device (site, device);

-- Names of points; readings refer to them by number.
CREATE TABLE point (
    ref  INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);

CREATE TABLE sample (
    id       INTEGER PRIMARY KEY,
    device   INTEGER NOT NULL,   -- device.ref
    at       INTEGER NOT NULL,
    late     INTEGER NOT NULL,
    stream   INTEGER NOT NULL,   -- stream.id
    seq      INTEGER NOT NULL,
    readings BLOB NOT NULL       -- see readings.rs
);
CREATE INDEX sample_by_device ON sample (device, at);

-- Samples of one device that are no longer young, compressed by column: what is in `sample` is not
-- here, and the two together are the history. The newest sample of a device stays in `sample`.
CREATE TABLE chunk (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    device   INTEGER NOT NULL,   -- device.ref
    first_id INTEGER NOT NULL,   -- the lowest number of its samples, and the highest
    last_id  INTEGER NOT NULL,
    first_at INTEGER NOT NULL,   -- when the earliest of them was taken, and the latest
    last_at  INTEGER NOT NULL,
    samples  INTEGER NOT NULL,
    body     BLOB NOT NULL       -- see chunk.rs
);
CREATE INDEX chunk_by_device ON chunk (device, first_at, last_at);
CREATE INDEX chunk_by_number ON chunk (last_id, first_id);

CREATE TABLE trace (
    id       INTEGER PRIMARY KEY,
    device   INTEGER NOT NULL,
    at       INTEGER NOT NULL,
    received INTEGER NOT NULL,
    late     INTEGER NOT NULL,
    stream   INTEGER NOT NULL,
    seq      INTEGER NOT NULL,
    view     TEXT,
    port     INTEGER,
    "trigger" TEXT NOT NULL,
    sor      BLOB NOT NULL,
    analysis TEXT                -- JSON, as `trace --json` prints it
);
CREATE INDEX trace_by_device ON trace (device, at);
CREATE INDEX trace_by_view ON trace (view, at);
CREATE INDEX trace_by_at ON trace (at);

-- Everything else that an engine was told: kind = about | event | gap | status | action.
CREATE TABLE record (
    id     INTEGER PRIMARY KEY,
    kind   TEXT NOT NULL,
    line   TEXT,                 -- absent: for all lines of the site
    site   TEXT,
    device TEXT,
    at     INTEGER NOT NULL,
    late   INTEGER NOT NULL,
    stream INTEGER,
    seq    INTEGER,
    body   TEXT NOT NULL         -- JSON
);
CREATE INDEX record_by_kind ON record (kind, at);

-- The latest status of each agent, as JSON.
CREATE TABLE agent (
    site   TEXT NOT NULL,
    agent  TEXT NOT NULL,
    at     INTEGER NOT NULL,     -- when it came
    online INTEGER NOT NULL,
    status TEXT NOT NULL,
    PRIMARY KEY (site, agent)
) WITHOUT ROWID;

CREATE TABLE incident (
    id       TEXT PRIMARY KEY,
    revision INTEGER NOT NULL,
    line     TEXT NOT NULL,      -- whose engine keeps it
    state    TEXT NOT NULL,
    severity TEXT NOT NULL,
    kind     TEXT NOT NULL,
    opened   INTEGER NOT NULL,
    updated  INTEGER NOT NULL,
    json     TEXT NOT NULL       -- as the API gives it
) WITHOUT ROWID;
CREATE UNIQUE INDEX incident_by_revision ON incident (revision);
CREATE INDEX incident_by_state ON incident (state, opened);

CREATE TABLE anomaly (
    id     TEXT PRIMARY KEY,
    line   TEXT NOT NULL,
    raised INTEGER NOT NULL,
    ended  INTEGER,
    json   TEXT NOT NULL,
    revision INTEGER NOT NULL DEFAULT 0  -- rises with every change of any anomaly
) WITHOUT ROWID;
CREATE INDEX anomaly_by_raised ON anomaly (raised);
CREATE INDEX anomaly_by_revision ON anomaly (revision);

-- Notices on their way: one row for each notice and channel.
CREATE TABLE outbox (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    channel  TEXT NOT NULL,
    incident TEXT NOT NULL,
    reason   TEXT NOT NULL,
    text     TEXT NOT NULL,
    json     TEXT NOT NULL,      -- the incident as it stood
    created  INTEGER NOT NULL,
    tries    INTEGER NOT NULL DEFAULT 0,
    next_try INTEGER NOT NULL,
    done     INTEGER,            -- when it was sent or given up
    error    TEXT                -- of the last vain try; stays with one given up
);
CREATE INDEX outbox_open ON outbox (next_try) WHERE done IS NULL;

-- What could not be understood. Bounded in rows and bytes; the oldest go first.
CREATE TABLE quarantine (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    at         INTEGER NOT NULL,
    topic      TEXT NOT NULL,
    kind       TEXT NOT NULL,    -- a short word, as counted
    reason     TEXT NOT NULL,
    properties TEXT NOT NULL,    -- JSON: [[name, value],…]
    bytes      INTEGER NOT NULL, -- of the payload as it came
    payload    BLOB NOT NULL     -- its beginning
);

-- The state of a line's engine after a step.
CREATE TABLE snapshot (
    line  TEXT PRIMARY KEY,
    step  INTEGER NOT NULL,
    state BLOB NOT NULL
) WITHOUT ROWID;

-- How far a reader of the number sequence has come: everything up to `passed` is done with.
CREATE TABLE cursor (
    name   TEXT PRIMARY KEY,
    passed INTEGER NOT NULL
) WITHOUT ROWID;
