-- What was given up is looked at often, and is little among all that is over.
CREATE INDEX messages_dead ON messages (finished_us) WHERE state = 'dead';
