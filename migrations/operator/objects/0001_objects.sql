-- The objects of the local host: what a Kubernetes apiserver would keep in etcd. Secrets and ConfigMaps are not here:
-- they stay in the folder and in memory.

-- The last resourceVersion that was given out.
CREATE TABLE revision (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    value INTEGER NOT NULL
) STRICT;
INSERT INTO revision (id, value) VALUES (1, 0);

CREATE TABLE objects (
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    uid TEXT NOT NULL UNIQUE,
    -- Counts changes of the spec.
    generation INTEGER NOT NULL,
    -- Changes with every write.
    resource_version INTEGER NOT NULL,
    created_at TEXT NOT NULL,
    deletion_requested_at TEXT,
    -- JSON: labels, annotations, ownerReferences.
    metadata TEXT NOT NULL,
    -- JSON list.
    finalizers TEXT NOT NULL,
    spec TEXT NOT NULL,
    status TEXT,
    -- File of the folder that declares it; NULL for objects that the program made.
    source TEXT,
    PRIMARY KEY (kind, namespace, name)
) STRICT, WITHOUT ROWID;

-- Deletions that a person asked for, to be done past the brake.
CREATE TABLE delete_requests (
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    requested_at TEXT NOT NULL,
    PRIMARY KEY (namespace, name)
) STRICT, WITHOUT ROWID;

-- What people were told, repeats merged.
CREATE TABLE events (
    id INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    namespace TEXT NOT NULL,
    name TEXT NOT NULL,
    type TEXT NOT NULL,
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_at TEXT NOT NULL,
    last_at TEXT NOT NULL,
    UNIQUE (kind, namespace, name, reason, message)
) STRICT;

-- Values that were generated once and are kept for ever, encrypted.
CREATE TABLE generated (
    namespace TEXT NOT NULL,
    fork TEXT NOT NULL,
    name TEXT NOT NULL,
    key_id TEXT NOT NULL,
    nonce BLOB NOT NULL,
    sealed BLOB NOT NULL,
    PRIMARY KEY (namespace, fork, name)
) STRICT, WITHOUT ROWID;
