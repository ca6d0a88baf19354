-- The audit log: every step that was tried. The trigger keeps the newest 10,000.
CREATE TABLE entries (
    id          INTEGER PRIMARY KEY,
    at_us       INTEGER NOT NULL, -- microseconds since 1970
    kind        TEXT    NOT NULL,
    namespace   TEXT    NOT NULL,
    name        TEXT    NOT NULL,
    facet       TEXT    NOT NULL,
    step        TEXT    NOT NULL,
    outcome     TEXT    NOT NULL,
    duration_ms INTEGER NOT NULL
) STRICT;

CREATE INDEX entries_by_object ON entries (kind, namespace, name, id);

CREATE TRIGGER entries_are_bounded AFTER INSERT ON entries
BEGIN
    DELETE FROM entries WHERE id <= NEW.id - 10000;
END;
