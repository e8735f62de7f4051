/// Signups written straight into the tables, in states that no command brings about alone.

enum SampleSignups {
    /// 1 running, 2 completed, 3 waiting on the customer, 4 on the operator, 5 cancelled.
    static let oneOfEachState = """
        INSERT INTO embark.signups (external_id, state, flow, plan, failed_step, waiting_on, error_code, error_message,
                                    waba_id, phone_number_id, business_id, allocation_config_id, warnings, code_issued_at,
                                    metadata, created_at, updated_at)
        SELECT v.external_id, v.state::embark.signup_state, 'cloud_api',
               '{exchange_code,verify_grant,subscribe_app,share_credit_line,register_phone}', v.failed_step,
               v.waiting_on::embark.party, v.error_code, v.error_message, v.waba_id, v.phone, v.business, v.allocation,
               v.warnings, now(), '{"tenant": 7}', '2026-05-01 12:00:00Z', now() - v.age
          FROM (VALUES
            (1, NULL, 'running', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}'::text[], interval '5 min 5 s'),
            (2, 'completed-one', 'completed', NULL, NULL, NULL, NULL, '12', '22', '32', '42',
                '{test_message_failed,slow}', interval '45 min 5 s'),
            (3, 'expired-one', 'failed', 'exchange_code', 'customer', '36007', 'This code has been used.', '13', NULL,
                NULL, NULL, '{}', interval '10 min 5 s'),
            (4, 'stuck-one', 'failed', 'register_phone', 'operator', '133005', 'Two step PIN mismatch', '14', '24', '34',
                '44', '{}', interval '2 h 10 min'),
            (5, 'cancelled-one', 'cancelled', NULL, NULL, NULL, NULL, '15', NULL, NULL, NULL, '{}', interval '3 d 1 h')
          ) AS v (place, external_id, state, failed_step, waiting_on, error_code, error_message, waba_id, phone, business,
                  allocation, warnings, age)
         ORDER BY v.place;
        INSERT INTO embark.secrets (signup_id, code, pin) SELECT id, 'canary-code', 'canary-pin' FROM embark.signups;
        INSERT INTO embark.jobs (signup_id, step, lane, due_at) VALUES (1, 'subscribe_app', 5, '2100-01-01 00:00:00Z');
        """

    /// Attempts of signup 4: two of them, the second one the last.
    static let attempts = """
        INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, worker_id,
                                     lease_id, http_status, error_code, error_message, fbtrace_id)
        VALUES (4, 1, 'exchange_code', 1, 'done', '2026-05-01 12:00:01Z', '2026-05-01 12:00:01.25Z', 1, 1, 200, NULL, NULL, NULL),
               (4, 1, 'register_phone', 3, 'fail', '2026-05-01 12:00:02Z', '2026-05-01 12:00:03.5Z', 1, 2, 400, '133005',
                'Two step PIN mismatch', 'AbCdEf')
        """

    /// Running signups without anything special.
    static func many(_ count: Int) -> String {
        """
        INSERT INTO embark.signups (flow, plan, code_issued_at)
        SELECT 'cloud_api', '{exchange_code}', now() FROM generate_series(1, \(count))
        """
    }

    /// ESC and CSI, a bell, DEL, an end of line, and characters that turn the direction of what follows.
    static let hostileText = "evil\u{1B}[2J\u{9B}31m\u{7}\u{7F}\n\u{202E}\u{2066}end"

    static let hostile = """
        INSERT INTO embark.signups (external_id, state, flow, plan, failed_step, waiting_on, error_code, error_message,
                                    waba_id, warnings, code_issued_at)
        SELECT t.text, 'failed', 'cloud_api', ARRAY['exchange_code', t.text], 'exchange_code', 'operator', t.text, t.text,
               t.text, ARRAY[t.text], now()
          FROM (SELECT E'evil\\x1b[2J\\u009b31m\\x07\\x7f\\n\\u202e\\u2066end') AS t (text);
        INSERT INTO embark.attempts (signup_id, generation, step, attempt, verdict, started_at, finished_at, error_code,
                                     error_message)
        SELECT s.id, 1, s.external_id, 1, s.external_id, now(), now(), s.external_id, s.external_id FROM embark.signups AS s;
        """

    /// Whether a terminal would do something at this character instead of showing it.
    static func isObeyed(_ scalar: Unicode.Scalar) -> Bool {
        scalar.properties.generalCategory == .control || (0x202A...0x202E).contains(scalar.value)
            || (0x2066...0x2069).contains(scalar.value)
    }
}
