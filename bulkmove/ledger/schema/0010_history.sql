-- What hosts and routes did over time, for the report. A row stands for some seconds in which a run went, or for several
-- such rows put together as they grow old: all its numbers are of these seconds alone.

-- most_in_flight: requests at once. allowed: how many requests the rate would have admitted, NULL where there was no limit.
-- latencies: how many answers took how long, {"bucket": answers} (transport/latencies.py).
CREATE TABLE host_history (
    host TEXT NOT NULL,
    ended_at REAL NOT NULL,
    began_at REAL NOT NULL,
    seconds REAL NOT NULL,
    requests INTEGER NOT NULL,
    retries INTEGER NOT NULL,
    throttled INTEGER NOT NULL,
    most_in_flight INTEGER NOT NULL,
    allowed REAL,
    latencies TEXT NOT NULL,
    PRIMARY KEY (host, ended_at)
) WITHOUT ROWID;

-- By how much the bodies of a route in each state became more, or fewer.
CREATE TABLE route_history (
    route INTEGER NOT NULL,
    ended_at REAL NOT NULL,
    began_at REAL NOT NULL,
    seconds REAL NOT NULL,
    written INTEGER NOT NULL,
    unchanged INTEGER NOT NULL,
    skipped INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    unknown INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    PRIMARY KEY (route, ended_at)
) WITHOUT ROWID;

-- When nothing was sent to a host, and why. ended_at: when it ended, or was to end as far as was known. times: how many
-- such rests the row stands for; seconds: how long they were together.
CREATE TABLE rests (
    run INTEGER NOT NULL,
    host TEXT NOT NULL,
    number INTEGER NOT NULL,
    began_at REAL NOT NULL,
    ended_at REAL NOT NULL,
    seconds REAL NOT NULL,
    times INTEGER NOT NULL,
    reason TEXT NOT NULL,
    PRIMARY KEY (run, host, number)
) WITHOUT ROWID;
