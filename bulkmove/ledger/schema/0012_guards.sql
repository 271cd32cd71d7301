-- What keeps a rehearsal harmless, and a first run small.

-- The key that masked values hang on: one row, made when a masked run begins.
CREATE TABLE mask (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    key BLOB NOT NULL
);

-- Patterns of the mask that a field was found for.
CREATE TABLE masked (
    pattern TEXT PRIMARY KEY
) WITHOUT ROWID;

-- Records that are written and looked at before the rest. state: open, passed or failed.
CREATE TABLE canaries (
    route INTEGER PRIMARY KEY,
    state TEXT NOT NULL
);

-- What was sent of them, compressed, until a person said that it stands as it was sent.
CREATE TABLE canary_bodies (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    target_id TEXT,
    key TEXT,
    sent BLOB NOT NULL,
    PRIMARY KEY (route, source_id, body)
) WITHOUT ROWID;
