"""Outbox: statements about the queue that the messages themselves are.

A row with a `due_at` waits: for its next attempt, or for the end of the lease of the worker
that has it. A lease is a number that the worker has drawn; whoever no longer holds it changes
nothing.
"""

from sqlalchemy import text

CHANNEL = "messages_queued"

# ---------------------------------------------------------------- queueing

QUEUED = text("""
    INSERT INTO messages (account_id, customer_id, kind, language, template, subject, text, html, message_id,
                          created_at, due_at)
    SELECT cast(:account_id AS bigint), n.customer_id, cast(:kind AS text), n.language, cast(:template AS text),
           n.subject, n.text, n.html, n.message_id, cast(:now AS timestamptz), cast(:now AS timestamptz)
    FROM unnest(cast(:customers AS bigint[]), cast(:languages AS text[]), cast(:subjects AS text[]),
                cast(:texts AS text[]), cast(:htmls AS text[]), cast(:message_ids AS text[]))
         AS n (customer_id, language, subject, text, html, message_id)
    RETURNING id, customer_id
""")
"""New messages, due at once; returns `id, customer_id` of each."""

WOKEN = text(f"NOTIFY {CHANNEL}")
"""A hint to idle workers, when the transaction commits; without it they look once a second."""

# ---------------------------------------------------------------- claiming

NEXT_ACCOUNT = text("""
    SELECT account_id FROM messages
    WHERE due_at <= :now AND account_id > :after
    ORDER BY account_id LIMIT 1
""")
"""The next account of all that has something due: workers go round, so that none waits for another's queue."""

SENDER_LOCKED = text("""
    SELECT s.name, s.email, s.reply_to, s.postal_address, s.rate_used_until, s.paused_until,
           a.plan, a.cursor_secret
    FROM senders AS s JOIN accounts AS a ON a.id = s.account_id
    WHERE s.account_id = :account_id
    FOR NO KEY UPDATE OF s SKIP LOCKED
""")
"""Who the account's messages are from; no row while another worker claims some of them."""

DUE = text("""
    SELECT id, customer_id, kind, language, subject, text, html, message_id, status, attempts, crashes,
           created_at, first_tried_at
    FROM messages
    WHERE account_id = :account_id AND due_at <= :now AND id <> ALL(cast(:in_flight AS bigint[]))
    ORDER BY due_at LIMIT cast(:most AS bigint)
    FOR NO KEY UPDATE SKIP LOCKED
""")
"""What the account has due; those whose worker has died are `sending` still. Not what this worker itself is sending:
its leases end too, while the database is away."""

PEOPLE = text("""
    SELECT id, email, name, marketing FROM customers
    WHERE account_id = :account_id AND id = ANY(cast(:customers AS bigint[]))
    ORDER BY id
    FOR SHARE SKIP LOCKED
""")
"""Whom they are to; without those whose consent or existence is being changed just now."""

STARTED = text("""
    UPDATE messages AS m
    SET status = 'sending', lease = :lease, due_at = :lease_until, crashes = n.crashes,
        maybe_duplicate = m.maybe_duplicate OR m.status = 'sending',
        first_tried_at = CASE WHEN m.attempts = 0 THEN :now ELSE m.first_tried_at END
    FROM unnest(cast(:ids AS bigint[]), cast(:crashes AS bigint[])) AS n (id, crashes)
    WHERE m.account_id = :account_id AND m.id = n.id
""")
"""Messages that are being sent from now on. What costs no attempt, such as a refused login, is no beginning either.
One that was `sending` may have been handed over by the worker that died."""

CLOSED = text("""
    UPDATE messages AS m
    SET status = n.status, reason = n.reason, crashes = n.crashes, due_at = NULL, lease = NULL, settled_at = :now
    FROM unnest(cast(:ids AS bigint[]), cast(:statuses AS text[]), cast(:reasons AS text[]),
                cast(:crashes AS bigint[])) AS n (id, status, reason, crashes)
    WHERE m.account_id = :account_id AND m.id = n.id
""")
"""Messages that are not sent, and why."""

RATE_USED = text("UPDATE senders SET rate_used_until = :until WHERE account_id = :account_id")
"""How far ahead the account has used its sending rate."""

UNPAID = text("""
    SELECT DISTINCT m.account_id
    FROM messages AS m JOIN accounts AS a ON a.id = m.account_id
    WHERE m.due_at IS NOT NULL AND m.status = 'queued' AND a.plan = 'free'
""")
"""The accounts of all that have messages queued and pay no more."""

UNPAID_CANCELLED = text("""
    UPDATE messages
    SET status = 'cancelled', reason = 'plan_lost', due_at = NULL, lease = NULL, settled_at = :now
    WHERE account_id = :account_id AND (status = 'queued' OR status = 'sending' AND due_at <= :now)
      AND EXISTS (SELECT FROM accounts AS a WHERE a.id = :account_id AND a.plan = 'free')
""")
"""Everything of the account that is not being sent, cancelled; nothing where it pays again meanwhile."""

# ---------------------------------------------------------------- settling

LEASES_KEPT = text("""
    UPDATE messages AS m
    SET due_at = :lease_until
    FROM unnest(cast(:ids AS bigint[]), cast(:leases AS bigint[])) AS n (id, lease)
    WHERE m.account_id = :account_id AND m.id = n.id AND m.lease = n.lease AND m.status = 'sending'
""")
"""Leases that go on, of messages that take long."""

SETTLED = text("""
    WITH settled AS (
        UPDATE messages AS m
        SET status = n.status, reason = n.reason, attempts = n.attempts, due_at = n.due_at, lease = NULL,
            provider_id = CASE WHEN m.customer_id IS NOT NULL THEN n.provider_id END,
            maybe_duplicate = m.maybe_duplicate OR n.maybe_duplicate,
            sent_at = n.sent_at, settled_at = n.settled_at
        FROM unnest(cast(:ids AS bigint[]), cast(:leases AS bigint[]), cast(:statuses AS text[]),
                    cast(:reasons AS text[]), cast(:attempts AS bigint[]), cast(:dues_at AS timestamptz[]),
                    cast(:provider_ids AS text[]), cast(:maybe_duplicates AS boolean[]),
                    cast(:sents_at AS timestamptz[]), cast(:settleds_at AS timestamptz[]))
             AS n (id, lease, status, reason, attempts, due_at, provider_id, maybe_duplicate, sent_at, settled_at)
        WHERE m.account_id = :account_id AND m.id = n.id AND m.lease = n.lease AND m.status = 'sending'
        RETURNING m.account_id, m.id, m.customer_id
    ), noted AS (
        INSERT INTO message_attempts (account_id, message_id, started_at, ended_at, outcome, code, detail)
        SELECT s.account_id, s.id, n.started_at, n.ended_at, n.outcome, n.code,
               CASE WHEN s.customer_id IS NULL THEN '' ELSE n.detail END
        FROM settled AS s
        JOIN unnest(cast(:ids AS bigint[]), cast(:starteds_at AS timestamptz[]), cast(:endeds_at AS timestamptz[]),
                    cast(:outcomes AS text[]), cast(:codes AS text[]), cast(:details AS text[]))
             AS n (id, started_at, ended_at, outcome, code, detail) ON n.id = s.id
    )
    SELECT id FROM settled
""")
"""What came of messages, where the lease was still held, with what was answered for people to read; of the erased
nothing is kept that may hold their address. One statement, for the sake of one round trip a mail or so."""

PAUSED = text("""
    UPDATE senders SET paused_until = :until, paused_because = :because WHERE account_id = :account_id
""")
"""Nothing of the account is sent until then."""

GOES_ON = text("""
    UPDATE senders SET paused_until = NULL, paused_because = NULL
    WHERE account_id = :account_id AND paused_until = :until
""")
"""The pause that ended then is over for good."""

FED_BACK = text("""
    UPDATE messages
    SET status = :status, due_at = NULL, lease = NULL,
        reason = coalesce(:reason, CASE WHEN status IN ('bounced', 'complained') THEN reason END),
        sent_at = coalesce(sent_at, :now), settled_at = :now
    WHERE account_id = :account_id AND id = :id AND status = ANY(cast(:earlier AS text[]))
""")
"""What a provider has reported of a message; only forward. Why it was held or given up is no longer true then."""

# ---------------------------------------------------------------- by request

CANCELLED = text("""
    UPDATE messages
    SET status = 'cancelled', reason = 'by_request', due_at = NULL, settled_at = :now
    WHERE account_id = :account_id AND id = :id AND status IN ('queued', 'held')
    RETURNING id
""")
"""A message that has not been begun, cancelled."""

HELD = text("SELECT account_id, id FROM messages WHERE status = 'held' ORDER BY account_id, id")
"""The messages of all accounts that wait for an operator."""

RELEASED = text("""
    UPDATE messages SET status = 'queued', reason = NULL, crashes = 0, due_at = :now, settled_at = NULL
    WHERE account_id = :account_id AND id = :id AND status = 'held'
    RETURNING id
""")
"""A held message, queued again."""
