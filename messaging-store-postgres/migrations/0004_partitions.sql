-- Partitions, a month each.

-- The first id that can be drawn at an instant (RFC 9562, version 7: 48 bits of milliseconds
-- stand first).
CREATE FUNCTION first_id_at(micros bigint) RETURNS uuid
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN (lpad(to_hex(greatest(micros, 0) / 1000), 12, '0') || repeat('0', 20))::uuid;

CREATE TABLE messages_other PARTITION OF messages DEFAULT WITH (fillfactor = 80);
CREATE TABLE message_contents_other PARTITION OF message_contents DEFAULT;
CREATE TABLE message_events_other PARTITION OF message_events DEFAULT;
CREATE TABLE attempts_other PARTITION OF attempts DEFAULT;
CREATE TABLE inbox_other PARTITION OF inbox DEFAULT WITH (fillfactor = 80);

-- Makes the partitions of an instant's month and of some that follow, where they are not there
-- yet. A month that has rows in a default partition already is left to it.
CREATE PROCEDURE make_partitions(micros bigint, months integer)
LANGUAGE plpgsql AS $$
DECLARE
    first timestamp := date_trunc('month', to_timestamp(micros / 1e6) AT TIME ZONE 'UTC');
    since timestamp;
    suffix text;
    parent text;
    low bigint;
    high bigint;
BEGIN
    -- Of nodes that do so at once, one after the other.
    PERFORM pg_advisory_xact_lock(hashtext('make_partitions'), hashtext(current_schema()));
    FOR n IN 0..months LOOP
        since := first + make_interval(months => n);
        suffix := to_char(since, '_YYYY_MM');
        low := extract(epoch FROM since) * 1000000;
        high := extract(epoch FROM since + interval '1 month') * 1000000;
        FOREACH parent IN ARRAY
            ARRAY['messages', 'message_contents', 'message_events', 'attempts', 'inbox']
        LOOP
            CONTINUE WHEN to_regclass(parent || suffix) IS NOT NULL;
            BEGIN
                EXECUTE format(
                    CASE parent
                        WHEN 'attempts' THEN 'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%s) TO (%s)'
                        ELSE 'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)'
                    END
                    || CASE WHEN parent IN ('messages', 'inbox') THEN ' WITH (fillfactor = 80)' ELSE '' END,
                    parent || suffix,
                    parent,
                    CASE parent WHEN 'attempts' THEN low::text ELSE first_id_at(low)::text END,
                    CASE parent WHEN 'attempts' THEN high::text ELSE first_id_at(high)::text END
                );
            EXCEPTION WHEN check_violation THEN
                RAISE WARNING '% has rows of this month among others', parent;
            END;
        END LOOP;
    END LOOP;
END
$$;
