-- Version 2: old samples of a device move from `sample` into chunks, compressed by column.

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
