-- The first format of a workspace's store. Bodies are JSON; what they hold is said by the types of this crate.
CREATE TABLE meta (workspace TEXT NOT NULL, digest_key BLOB NOT NULL) STRICT;
CREATE TABLE plans (hash TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE runs (id TEXT PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE records (
    seq INTEGER PRIMARY KEY,
    run TEXT NOT NULL REFERENCES runs (id),
    body TEXT NOT NULL,
    hash TEXT NOT NULL
) STRICT;
CREATE TABLE state (name TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE lease (id INTEGER PRIMARY KEY CHECK (id = 1), epoch INTEGER NOT NULL, body TEXT) STRICT;
INSERT INTO lease (id, epoch, body) VALUES (1, 0, NULL);
