-- What was found when the target was held against the source, and what of that is to be mended.

-- result: JSON, by route. is_sample: not all records were looked at.
CREATE TABLE verifications (
    id INTEGER PRIMARY KEY,
    started_at REAL,
    ended_at REAL,
    exit_code INTEGER,
    is_sample INTEGER,
    result TEXT
);

-- What differs, of the last verification of each route: kind is missing, extra, different or doubled. source_id is empty
-- for a row that no record is known of; row is empty for a record that has none. rows: all of a doubled record's, as
-- JSON. key: the natural key that the row shows. is_ours: this migration made the row. mended_by: the run that put it to work.
CREATE TABLE mismatches (
    id INTEGER PRIMARY KEY,
    verification INTEGER NOT NULL,
    route INTEGER NOT NULL,
    kind TEXT NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    row TEXT NOT NULL,
    rows TEXT,
    key TEXT,
    is_ours INTEGER NOT NULL DEFAULT 0,
    mended_by INTEGER
);

CREATE INDEX mismatches_to_mend ON mismatches (route, kind, source_id, body) WHERE mended_by IS NULL;
