-- What a run was begun for: "run", or "retry", whose open bodies a later retry goes on with.
ALTER TABLE runs ADD COLUMN kind TEXT NOT NULL DEFAULT 'run';
