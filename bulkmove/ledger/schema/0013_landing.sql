-- What a run sent and may land yet, whatever became of its records since.

-- unsettled_at: when an attempt that may land yet was noted last. was_stopped: it was asked to end before it was done, so
-- that its exit code says nothing of what was on its way.
ALTER TABLE runs ADD COLUMN unsettled_at REAL;
ALTER TABLE runs ADD COLUMN was_stopped INTEGER NOT NULL DEFAULT 0;

-- Nothing tells that of the runs before: the last one may have been among them.
UPDATE runs SET unsettled_at = alive_at + 2 WHERE id = (SELECT max(id) FROM runs);
