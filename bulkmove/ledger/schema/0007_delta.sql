-- What a later pass over the source finds new, changed or gone.

-- A row a pass. since, cutoff: between which dates it looks for new records (NULL: its list has none); known: how many
-- records there were when it began; stage: 0 new ones are read, 1 the list is scanned, 2 what the scan found is worked,
-- 3 all of that is done; first_span: from which number on the route's spans are this pass's own. unchanged: records of a
-- newer version that are mapped to what was written; scanned: rows that the scan showed; requests: how many asked the
-- source; fewest: how many would have done; is_whole: the list was looked through, not for new records alone.
CREATE TABLE passes (
    id INTEGER PRIMARY KEY,
    run INTEGER NOT NULL,
    route INTEGER NOT NULL,
    started_at REAL NOT NULL,
    ended_at REAL,
    new INTEGER NOT NULL DEFAULT 0,
    changed INTEGER NOT NULL DEFAULT 0,
    gone INTEGER NOT NULL DEFAULT 0,
    requests INTEGER NOT NULL DEFAULT 0,
    unchanged INTEGER NOT NULL DEFAULT 0,
    fewest INTEGER NOT NULL DEFAULT 0,
    scanned INTEGER NOT NULL DEFAULT 0,
    known INTEGER NOT NULL,
    since INTEGER,
    cutoff INTEGER,
    first_span INTEGER NOT NULL,
    stage INTEGER NOT NULL DEFAULT 0,
    is_whole INTEGER NOT NULL
);

-- What a scan found and what is not worked yet. kind: 0 new, 1 changed, 2 to be looked at, 3 not shown. record: the row as
-- it was read, compressed, where the scan showed all of it.
CREATE TABLE findings (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    kind INTEGER NOT NULL,
    record BLOB,
    PRIMARY KEY (route, source_id)
) WITHOUT ROWID;

-- Records that a pass found gone at the source: the last that did. is_sent: their rows are being deleted at the target.
CREATE TABLE departed (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    pass INTEGER NOT NULL,
    is_sent INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (route, source_id)
) WITHOUT ROWID;
