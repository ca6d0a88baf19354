-- What probes found. A chunk holds what one series found in a while, packed: runs of an hour (step 0), minutes of an
-- hour (step 60), or hours of a day (step 3600).
CREATE TABLE probe_series (
    id        INTEGER PRIMARY KEY,
    namespace TEXT NOT NULL,
    fork      TEXT NOT NULL,
    probe     TEXT NOT NULL,
    UNIQUE (namespace, fork, probe)
) STRICT;

CREATE TABLE probe_chunks (
    id     INTEGER PRIMARY KEY,
    series INTEGER NOT NULL,
    step   INTEGER NOT NULL,
    start  INTEGER NOT NULL, -- seconds since 1970
    data   BLOB    NOT NULL,
    UNIQUE (series, step, start)
) STRICT;

CREATE INDEX probe_chunks_by_age ON probe_chunks (step, start);

-- How long each Fork was up or down at a stretch.
CREATE TABLE probe_spells (
    namespace TEXT    NOT NULL,
    fork      TEXT    NOT NULL,
    from_ms   INTEGER NOT NULL, -- milliseconds since 1970
    to_ms     INTEGER NOT NULL,
    is_down   INTEGER NOT NULL,
    PRIMARY KEY (namespace, fork, from_ms)
) STRICT, WITHOUT ROWID;

-- What is confirmed of each series.
CREATE TABLE probe_standings (
    series           INTEGER PRIMARY KEY,
    verdict          INTEGER NOT NULL, -- 0 up, 1 down, 2 unknown
    since_ms         INTEGER NOT NULL,
    why              TEXT    NOT NULL,
    certificate_ends INTEGER           -- seconds since 1970
) STRICT;
