-- What is looked at once more when all of a route is written: doubles, and changes that did not take.

-- body: which body of the record creates a row with this key; NULL where a row that is there is changed.
ALTER TABLE keys ADD COLUMN body INTEGER;

-- Rows that show a key which the route created a row with, as the list is looked through for doubles.
CREATE TABLE swept (
    route INTEGER NOT NULL,
    key TEXT NOT NULL,
    row TEXT NOT NULL,
    PRIMARY KEY (route, key, row)
) WITHOUT ROWID;

-- A change that one request made of many rows; its answer tells nothing of any of them. unseen: fields of it that
-- never come back.
CREATE TABLE joined (
    request INTEGER PRIMARY KEY,
    route INTEGER NOT NULL,
    body BLOB NOT NULL,
    unseen TEXT NOT NULL
);

-- Rows that were changed so, the last change of each, until they were seen to hold it. resent: how often it was sent
-- again because they did not; shows: what the row showed instead, NULL where it was not looked at.
CREATE TABLE unconfirmed (
    route INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    request INTEGER NOT NULL,
    resent INTEGER NOT NULL DEFAULT 0,
    shows TEXT,
    PRIMARY KEY (route, target_id)
) WITHOUT ROWID;
