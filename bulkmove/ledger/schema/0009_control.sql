-- What a person asks of a run from another terminal, and what the run answered; also what it did by its timetable.
-- verb: pause, resume, set, or rate-at. host: NULL for all. settings and answer: JSON. run: the one that took it.
CREATE TABLE control (
    id INTEGER PRIMARY KEY,
    asked_at REAL NOT NULL,
    verb TEXT NOT NULL,
    host TEXT,
    settings TEXT NOT NULL,
    run INTEGER,
    taken_at REAL,
    answer TEXT
);

CREATE INDEX control_waiting ON control (id) WHERE taken_at IS NULL;
CREATE INDEX control_of_run ON control (run);
