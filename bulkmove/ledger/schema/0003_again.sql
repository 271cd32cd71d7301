-- What a run was begun for: "run", or "retry", whose open bodies a later retry goes on with.
ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'run';

-- Outcomes that a retry took back, so that a record's story stays whole. at: when it came about, where that was noted.
CREATE TABLE former (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    run INTEGER NOT NULL,
    at REAL,
    state INTEGER NOT NULL,
    cause TEXT,
    message TEXT,
    PRIMARY KEY (route, source_id, body, run)
) WITHOUT ROWID;
