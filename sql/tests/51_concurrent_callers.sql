-- Several sessions at once: the same signup, the same renewal, outcomes that commit out of order, and who is woken.
SET client_min_messages = warning;
-- Sessions that wait for each other through this one are no deadlock that PostgreSQL would see.
SET lock_timeout = '10s';
CREATE EXTENSION dblink;
CREATE SCHEMA test;

SELECT plan(25);

-- Other sessions, on the server that this one is on.
SELECT dblink_connect(name, format('host=127.0.0.1 port=%s dbname=%s user=%s', current_setting('port'), current_database(), current_user))
  FROM unnest(ARRAY['one', 'two', 'listener']) AS name;
CREATE TEMPORARY TABLE sessions AS
SELECT name, pid FROM unnest(ARRAY['one', 'two', 'listener']) AS name,
       LATERAL dblink(name, 'SELECT pg_backend_pid()') AS answer (pid integer);

-- Runs a statement in another session and returns its one value, or the SQLSTATE of its error.
CREATE FUNCTION test.run(session text, statement text) RETURNS text LANGUAGE plpgsql AS
$$
BEGIN
    RETURN (SELECT value FROM dblink(session, statement) AS answer (value text));
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE;
END
$$;
-- Starts a statement in another session and waits until it waits for a lock that a third holds, 10 s at most.
CREATE FUNCTION test.start(session text, statement text) RETURNS boolean LANGUAGE plpgsql AS
$$
DECLARE
    until timestamptz := clock_timestamp() + interval '10 s';
BEGIN
    PERFORM dblink_send_query(session, statement);
    WHILE clock_timestamp() < until LOOP
        IF cardinality(pg_blocking_pids((SELECT s.pid FROM sessions AS s WHERE s.name = session))) > 0 THEN
            RETURN true;
        END IF;
        PERFORM pg_sleep(0.005);
    END LOOP;
    RETURN false;
END
$$;
-- The value that test.start's statement ended with, or its SQLSTATE. The second read ends the query.
CREATE FUNCTION test.finish(session text) RETURNS text LANGUAGE plpgsql AS
$$
DECLARE
    ended text;
BEGIN
    BEGIN
        SELECT value INTO ended FROM dblink_get_result(session) AS answer (value text);
    EXCEPTION WHEN OTHERS THEN
        ended := SQLSTATE;
    END;
    PERFORM FROM dblink_get_result(session) AS answer (value text);
    RETURN ended;
END
$$;

-- The same signup from two sessions at once.
SELECT dblink_exec('one', 'BEGIN');
CREATE TEMPORARY TABLE first AS
SELECT test.run('one', $$SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'e')$$) AS id;
SELECT ok(test.start('two', $$SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'e')$$),
    'the second of two that enqueue the same external id waits for the first');
SELECT dblink_exec('one', 'COMMIT');
SELECT is(test.finish('two'), (SELECT id FROM first), 'the second gets the id of the first once that has committed');
SELECT is((SELECT count(*)::integer FROM embark.jobs), 1, 'two that enqueued the same at once made one job');

SELECT dblink_exec('one', 'BEGIN');
SELECT test.run('one', $$SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'other')$$);
SELECT ok(test.start('two',
    $$INSERT INTO embark.signup_inbox (code, currency, external_id) VALUES ('different', 'USD', 'other') RETURNING id$$),
    'the second of two that use an external id for different content waits for the first');
SELECT dblink_exec('one', 'COMMIT');
SELECT is(test.finish('two'), '23505', 'the second is refused once the first has committed');

SELECT dblink_exec('one', 'BEGIN');
SELECT test.run('one', $$SELECT embark.enqueue_signup(code => 'c', currency => 'USD', external_id => 'withdrawn')$$);
SELECT ok(test.start('two', $$SELECT embark.enqueue_signup(code => 'different', currency => 'USD', external_id => 'withdrawn')$$),
    'the second waits for a first that will be rolled back');
SELECT dblink_exec('one', 'ROLLBACK');
CREATE TEMPORARY TABLE second AS SELECT test.finish('two') AS id;
SELECT is((SELECT id FROM second), (SELECT id::text FROM embark.signups WHERE external_id = 'withdrawn'),
    'the second is enqueued once the first has been rolled back');

-- The same renewal from two sessions at once, then a different one.
UPDATE embark.signups SET state = 'failed', failed_step = 'exchange_code', waiting_on = 'customer', error_code = 'code_expired';
DELETE FROM embark.jobs;
SELECT dblink_exec('one', 'BEGIN');
SELECT test.run('one', $$SELECT embark.renew_signup('e', 'AQ-new')$$);
SELECT ok(test.start('two', $$SELECT embark.renew_signup('e', 'AQ-new')$$), 'the second of two equal renewals waits for the first');
SELECT dblink_exec('one', 'COMMIT');
SELECT is(test.finish('two'), (SELECT id FROM first), 'the second of two equal renewals gets the same id');
SELECT is((SELECT generation FROM embark.signups WHERE external_id = 'e'), 2, 'two equal renewals at once are one generation');
SELECT dblink_exec('one', 'BEGIN');
SELECT test.run('one', $$SELECT embark.renew_signup('other', 'AQ-new')$$);
SELECT ok(test.start('two', $$SELECT embark.renew_signup('other', 'AQ-different')$$),
    'the second of two different renewals waits for the first');
SELECT dblink_exec('one', 'COMMIT');
SELECT is(test.finish('two'), '55000', 'the second of two different renewals is refused: the signup runs');

-- Outcomes are numbered in the order in which they become visible, not in the order of their ids.
SELECT dblink_exec('one', 'BEGIN');
SELECT dblink_exec('one', $$INSERT INTO embark.outcomes (signup_id, generation, type) VALUES (1, 1, 'signup.completed')$$);
INSERT INTO embark.outcomes (signup_id, generation, type) VALUES (1, 2, 'signup.completed');
SELECT is(embark.number_outcomes(100), 1, 'an outcome that has not committed gets no number');
SELECT dblink_exec('one', 'COMMIT');
SELECT is(embark.number_outcomes(100), 1, 'it gets one when it has');
SELECT is(
    ARRAY(SELECT generation FROM embark.outcomes_since(0)), ARRAY[2, 1],
    'an outcome that committed late has the later number, so that a reader who pages by it misses none');
INSERT INTO embark.outcomes (signup_id, generation, type) VALUES (1, 3, 'signup.completed');
SELECT dblink_exec('one', 'BEGIN');
SELECT is(test.run('one', 'SELECT embark.number_outcomes(100)'), '1', 'one session numbers');
SELECT is(embark.number_outcomes(100), 0, 'a second that comes meanwhile leaves it to the first and does not wait');
SELECT dblink_exec('one', 'ROLLBACK');
SELECT is(embark.number_outcomes(100), 1, 'what was numbered and rolled back is numbered later');
SELECT is((SELECT max(seq) FROM embark.outcomes), 3::bigint, 'and leaves no gap');

-- Who is woken.
SELECT dblink_exec('listener', 'LISTEN embark_jobs');
SELECT dblink_exec('listener', 'LISTEN embark_outcomes');
CREATE FUNCTION test.heard() RETURNS text LANGUAGE sql AS
$$ SELECT coalesce(string_agg(notify_name, ', '), 'nothing') FROM dblink_get_notify('listener') $$;
-- dblink_get_notify reads what has arrived; an answer to a query comes behind each notification that was sent before it.
CREATE FUNCTION test.hear() RETURNS text LANGUAGE plpgsql AS
$$ BEGIN PERFORM test.run('listener', 'SELECT 1'); RETURN test.heard(); END $$;
UPDATE embark.signups SET state = 'failed', failed_step = 'exchange_code', waiting_on = 'customer' WHERE external_id = 'withdrawn';
SELECT embark.enqueue_signup(code => 'c', currency => 'USD');
INSERT INTO embark.signup_inbox (code, currency) VALUES ('c', 'USD');
SELECT is(test.hear(), 'nothing', 'while no worker sleeps nobody is notified: it would take a lock on the whole database');
INSERT INTO embark.workers (host, pid, version, sleeping) VALUES ('h', 1, '1', true);
SELECT embark.enqueue_signup(code => 'c', currency => 'USD');
SELECT is(test.hear(), 'embark_jobs', 'a sleeping worker is notified by enqueue_signup');
INSERT INTO embark.signup_inbox (code, currency) VALUES ('c', 'USD'), ('c', 'USD'), ('c', 'USD');
SELECT is(test.hear(), 'embark_jobs', 'a sleeping worker is notified once by an INSERT of several rows');
SELECT embark.renew_signup('withdrawn', 'AQ-new');
SELECT is(test.hear(), 'embark_jobs', 'a sleeping worker is notified by renew_signup');
INSERT INTO embark.outcomes (signup_id, generation, type) VALUES (1, 4, 'signup.completed');
SELECT embark.number_outcomes(100);
SELECT is(test.hear(), 'embark_outcomes', 'readers of outcomes are notified when some have been numbered');
SELECT embark.number_outcomes(100);
SELECT is(test.hear(), 'nothing', 'and not when there was nothing to number');

SELECT dblink_disconnect(name) FROM sessions;
SELECT * FROM finish();
