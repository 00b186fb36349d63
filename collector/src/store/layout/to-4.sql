-- Version 4: what a device's newest sample is stands in `sample` alone. A row of `device` holds all that
-- the device tells of itself, and was written anew with every sample.

CREATE TABLE device_of_3 AS SELECT ref, line, site, device, about FROM device;
DROP TABLE device;
CREATE TABLE device (
    ref   INTEGER PRIMARY KEY,
    line  TEXT NOT NULL,
    site  TEXT NOT NULL,
    device TEXT NOT NULL,
    about TEXT,              -- JSON, the latest
    UNIQUE (line, site, device)
);
CREATE INDEX device_by_site ON device (site, device);
INSERT INTO device SELECT ref, line, site, device, about FROM device_of_3;
DROP TABLE device_of_3;
