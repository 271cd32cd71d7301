-- Every value is what a run must know again after its process was killed.
-- "bmv1", so that another program's database is not taken for a ledger.
PRAGMA application_id = 1651340849;

-- alive_at: no request of this run was sent much later than this (it moves with every commit).
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started_at REAL NOT NULL,
    alive_at REAL NOT NULL,
    ended_at REAL,
    machine TEXT NOT NULL,
    exit_code INTEGER
);

CREATE TABLE routes (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    fingerprint TEXT NOT NULL,
    cutoff INTEGER,
    expected INTEGER,
    is_read INTEGER NOT NULL DEFAULT 0,
    is_finished INTEGER NOT NULL DEFAULT 0
);

-- What is proven read of a keyset list: every row with a key from lower to before reached.
CREATE TABLE spans (
    route INTEGER NOT NULL REFERENCES routes (id),
    id INTEGER NOT NULL,
    lower INTEGER,
    upper INTEGER NOT NULL,
    reached INTEGER,
    is_done INTEGER NOT NULL,
    evidence INTEGER NOT NULL,
    PRIMARY KEY (route, id)
) WITHOUT ROWID;

-- A row a body. States: 0 skipped, 1 unchanged, 2 written, 3 seen, 4 pending, 5 rejected, 6 unknown.
CREATE TABLE records (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    state INTEGER NOT NULL,
    target_id TEXT,
    digest BLOB,
    version TEXT,
    source_digest BLOB,
    attempts INTEGER NOT NULL DEFAULT 0,
    failed_at REAL,
    cause TEXT,
    message TEXT,
    run INTEGER NOT NULL,
    chunk INTEGER,
    PRIMARY KEY (route, source_id, body)
) WITHOUT ROWID;

CREATE INDEX failed_records ON records (route, source_id) WHERE state >= 5;
CREATE INDEX failing_records ON records (route, source_id) WHERE attempts > 0;

-- The bodies of a page, compressed, from before the first is sent until the last is settled. open: how many
-- are not settled; kept: how many are settled as rejected or unknown, whose bodies a person may need.
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY,
    route INTEGER NOT NULL,
    is_raw INTEGER NOT NULL,
    open INTEGER NOT NULL,
    kept INTEGER NOT NULL DEFAULT 0,
    bodies BLOB NOT NULL
);

CREATE INDEX open_chunks ON chunks (route, id) WHERE open > 0;

CREATE TABLE intents (
    id INTEGER PRIMARY KEY,
    route INTEGER NOT NULL,
    run INTEGER NOT NULL,
    sent_at REAL NOT NULL,
    is_parked INTEGER NOT NULL DEFAULT 0,
    refusal TEXT,
    members BLOB NOT NULL
);

CREATE TABLE lists (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    is_read INTEGER NOT NULL DEFAULT 0,
    is_atomic INTEGER
);

-- The natural keys of a target's list: those it held before our first write (rows > 0), and those we claim.
CREATE TABLE keys (
    list INTEGER NOT NULL,
    key TEXT NOT NULL,
    target_id TEXT,
    rows INTEGER NOT NULL,
    fields TEXT,
    route TEXT,
    source_id TEXT,
    PRIMARY KEY (list, key)
) WITHOUT ROWID;
