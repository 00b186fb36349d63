-- Version 3: anomalies take a number whenever they change, so that a forwarder can follow them. Those
-- of before keep 0: they are not forwarded.

ALTER TABLE anomaly ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE INDEX anomaly_by_revision ON anomaly (revision);
