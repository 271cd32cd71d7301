-- What a person asks of one record afterwards, and what the ledger checks itself by.

-- A row a page that was put down. records: how many source records it brought that were not known before; their
-- sum is held against the records themselves. was: the page of rows, kept as they were read, that this one maps.
CREATE TABLE pages (
    id INTEGER PRIMARY KEY,
    route INTEGER NOT NULL,
    run INTEGER NOT NULL,
    put_at REAL NOT NULL,
    records INTEGER NOT NULL,
    was INTEGER
);

-- A row a write request that was answered, or given up. said: how it was answered, in words.
CREATE TABLE requests (
    id INTEGER PRIMARY KEY,
    route INTEGER NOT NULL,
    run INTEGER NOT NULL,
    sent_at REAL NOT NULL,
    answered_at REAL NOT NULL,
    bodies INTEGER NOT NULL,
    said TEXT NOT NULL
);

-- Requests that carried a body and did not settle it.
CREATE TABLE tries (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    request INTEGER NOT NULL,
    PRIMARY KEY (route, source_id, body, request)
) WITHOUT ROWID;

-- The beginning of what a host answered where it refused a body; for people, and erased by purge.
CREATE TABLE answers (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    answer TEXT NOT NULL,
    PRIMARY KEY (route, source_id, body)
) WITHOUT ROWID;

-- Source records as they were read, compressed, of those that were rejected before anything was sent.
CREATE TABLE sources (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    record BLOB NOT NULL,
    PRIMARY KEY (route, source_id)
) WITHOUT ROWID;

-- Records that left the source while it was read.
CREATE TABLE gone (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    run INTEGER NOT NULL,
    PRIMARY KEY (route, source_id)
) WITHOUT ROWID;

-- Requests let out by a host's long windows, in coarse grains of time (epoch seconds).
CREATE TABLE spent (
    host TEXT NOT NULL,
    at INTEGER NOT NULL,
    requests INTEGER NOT NULL,
    PRIMARY KEY (host, at)
) WITHOUT ROWID;

-- When the machine's uptime began, by its clock as this run took it: what makes the times of two runs comparable.
ALTER TABLE runs ADD COLUMN up_since REAL;

-- page: the one that put the record down; request: the last that carried it and was answered.
ALTER TABLE records ADD COLUMN page INTEGER;
ALTER TABLE records ADD COLUMN request INTEGER;

-- Whether a write of the route was ever in doubt, so that its list is looked through for doubles at the end.
ALTER TABLE routes ADD COLUMN was_doubted INTEGER NOT NULL DEFAULT 0;

-- The largest body that the host takes, where it said that one was too large.
ALTER TABLE lists ADD COLUMN max_bytes INTEGER;

-- Pages of a ledger that was begun before this was noted: one stands for all of a route.
INSERT INTO pages (id, route, run, put_at, records)
SELECT -id, id, 0, 0, (SELECT count(DISTINCT source_id) FROM records WHERE route = routes.id) FROM routes;

-- How many bodies of a route are in each state, the open ones together as 4: nobody has to walk a million records to
-- tell how far a route is. The index tells records of several bodies apart, which count by their worst.
CREATE TABLE tallies (
    route INTEGER NOT NULL,
    state INTEGER NOT NULL,
    bodies INTEGER NOT NULL,
    PRIMARY KEY (route, state)
) WITHOUT ROWID;

CREATE INDEX further_bodies ON records (route, source_id) WHERE body > 0;

INSERT INTO tallies (route, state, bodies)
SELECT route, iif(state = 3, 4, state), count(*) FROM records GROUP BY 1, 2;
