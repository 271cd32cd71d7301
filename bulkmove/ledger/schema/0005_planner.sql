-- What SQLite's planner shall think of the records: many, of which few failed. Without it, it walks all of a route's
-- records where an index of the few would do; with figures of its own, gathered early, it could come to think so again.
ANALYZE sqlite_schema;
DELETE FROM sqlite_stat1;
INSERT INTO sqlite_stat1 (tbl, idx, stat) VALUES
    ('records', 'records', '1000000 500000 1 1'),
    ('records', 'failed_records', '1000 500 1'),
    ('records', 'failing_records', '1000 500 1'),
    ('records', 'further_bodies', '1000 500 1');
ANALYZE sqlite_schema;
