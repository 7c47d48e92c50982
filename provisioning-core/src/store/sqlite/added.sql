-- What came up after the first stores of format 1 were made: a store without it gets it.
-- What was learned by a process that could not record it any more:
CREATE TABLE IF NOT EXISTS late (run TEXT NOT NULL, step TEXT NOT NULL, object TEXT NOT NULL, PRIMARY KEY (run, step, object)) STRICT;
-- What plans give back, so that nobody has to read a whole plan for it:
CREATE TABLE IF NOT EXISTS results (plan TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
-- Large plans, with which a store has format 2: the length of the JSON in four bytes, the lowest first, and an LZ4 block.
CREATE TABLE IF NOT EXISTS packed (plan TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;
