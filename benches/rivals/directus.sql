-- Directus shows no table whose primary key has two columns, and reads numbers as JavaScript does, exactly
-- up to 2^53. So it gets a copy with a key of its own and a number for each namespace, and the two
-- indexes that the questions need.
CREATE SCHEMA directus;
CREATE TABLE directus.items (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    namespace integer NOT NULL,
    LIKE interactions
);
INSERT INTO directus.items OVERRIDING USER VALUE
    SELECT 0, substring(n.name FROM '[0-9]+$')::integer, i.*
    FROM interactions i JOIN namespaces n USING (namespace_id)
    ORDER BY i.timestamp_us;
CREATE INDEX ON directus.items (namespace, timestamp_us DESC, interaction_id DESC);
CREATE INDEX ON directus.items (namespace, session_id, timestamp_us DESC, interaction_id DESC);
