-- What was written, and what stood there before.

-- Whether a write of the body made its row. It stays once it is set, whatever is written to the row afterwards.
ALTER TABLE records ADD COLUMN is_created INTEGER NOT NULL DEFAULT 0;

-- Bodies as they were last written, of routes that keep them.
CREATE TABLE written (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    fields BLOB NOT NULL,
    PRIMARY KEY (route, source_id, body)
) WITHOUT ROWID;

-- Whether rows were kept since before the first write of the route: what is read later may be our own.
ALTER TABLE routes ADD COLUMN keeps_before INTEGER NOT NULL DEFAULT 0;

-- Whether the route changes the list that it reads: what it wrote last is what a later look is held against.
ALTER TABLE routes ADD COLUMN is_own_list INTEGER NOT NULL DEFAULT 0;

-- Rows of a target as they stood before the route first changed them; an empty image was erased.
CREATE TABLE befores (
    route INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    image BLOB NOT NULL,
    PRIMARY KEY (route, target_id)
) WITHOUT ROWID;

-- Rows of a list whose host brings no single row: read with the whole list, and kept until it is known which are changed.
CREATE TABLE rows_read (
    list INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    image BLOB NOT NULL,
    PRIMARY KEY (list, target_id)
) WITHOUT ROWID;

-- Whether all rows of the list stand there.
ALTER TABLE lists ADD COLUMN has_rows INTEGER NOT NULL DEFAULT 0;

-- When an undo of the whole route began: what is undone is not written again by the same ledger.
ALTER TABLE routes ADD COLUMN undone_at REAL;

-- Rows of a target that an undo is to work, made anew by each: newest first, as `place` has them. key: the natural key
-- that the row was created with; step: what is to be done, NULL where it was not looked at yet; was: the step that it had
-- when that was sent; send: the fields to write.
CREATE TABLE undoing (
    route INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    place INTEGER NOT NULL,
    is_created INTEGER NOT NULL,
    key TEXT,
    step TEXT,
    was TEXT,
    why TEXT,
    send BLOB,
    PRIMARY KEY (route, target_id)
) WITHOUT ROWID;

CREATE UNIQUE INDEX undoing_in_turn ON undoing (route, place);

-- The bodies that wrote these rows. fields: what was written, where it is not kept and was made anew of the source.
CREATE TABLE undoing_bodies (
    route INTEGER NOT NULL,
    source_id TEXT NOT NULL,
    body INTEGER NOT NULL,
    target_id TEXT NOT NULL,
    request INTEGER NOT NULL,
    fields BLOB,
    PRIMARY KEY (route, source_id, body)
) WITHOUT ROWID;

CREATE INDEX undoing_bodies_of_rows ON undoing_bodies (route, target_id);
