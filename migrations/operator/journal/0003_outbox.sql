-- What is to be told. The trigger keeps the newest 10,000 messages that are over; what is pending is always kept.
CREATE TABLE groups (
    key     TEXT    PRIMARY KEY,
    version INTEGER NOT NULL, -- counts writings
    due_us  INTEGER,          -- microseconds since 1970; NULL: never
    body    TEXT    NOT NULL  -- JSON
) STRICT;

CREATE INDEX groups_by_due ON groups (due_us) WHERE due_us IS NOT NULL;

CREATE TABLE messages (
    id          INTEGER PRIMARY KEY,
    key         TEXT    NOT NULL,
    grouped     TEXT    NOT NULL,
    incident    TEXT    NOT NULL,
    namespace   TEXT    NOT NULL,
    rule        TEXT    NOT NULL,
    channel     TEXT    NOT NULL,
    body        TEXT    NOT NULL, -- JSON, without secrets
    created_us  INTEGER NOT NULL,
    state       TEXT    NOT NULL DEFAULT 'pending' CHECK (state IN ('pending', 'sent', 'dead')),
    attempts    INTEGER NOT NULL DEFAULT 0,
    next_us     INTEGER NOT NULL,
    error       TEXT,
    reference   TEXT,
    finished_us INTEGER,
    UNIQUE (key, channel)
) STRICT;

CREATE INDEX messages_pending ON messages (grouped, channel, id) WHERE state = 'pending';
CREATE INDEX messages_over ON messages (finished_us) WHERE state <> 'pending';
CREATE INDEX messages_references ON messages (incident, channel, id) WHERE reference IS NOT NULL;

-- Channels that fail, from when people were told of it until a message arrives.
CREATE TABLE failing (
    namespace TEXT    NOT NULL,
    rule      TEXT    NOT NULL,
    channel   TEXT    NOT NULL,
    since_us  INTEGER NOT NULL,
    error     TEXT    NOT NULL,
    PRIMARY KEY (namespace, rule, channel)
) STRICT;

CREATE TRIGGER messages_are_bounded AFTER UPDATE OF state ON messages WHEN NEW.state <> 'pending'
BEGIN
    DELETE FROM messages WHERE id IN (
        SELECT id FROM messages WHERE state <> 'pending' ORDER BY finished_us DESC LIMIT 100 OFFSET 10000
    );
END;
