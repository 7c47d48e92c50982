-- What was learned by a process that could not record it any more. A store that was made before it came up gets it.
CREATE TABLE IF NOT EXISTS late (run TEXT NOT NULL, step TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY (run, step, object)) STRICT;
