-- How far the written sequence of a cutover is: a row a step that was begun, in their order.

-- ended_at NULL: the step was cut off, and is done again. told: what it came to, as JSON.
CREATE TABLE cutover (
    id INTEGER PRIMARY KEY,
    step TEXT NOT NULL,
    began_at REAL NOT NULL,
    ended_at REAL,
    exit_code INTEGER,
    told TEXT
);
