"""Senders: statements about who an account's e-mails are from."""

from sqlalchemy import text

ACCOUNT = text("""
    SELECT a.id, a.name, a.plan, a.created_at, s.name AS sender_name, s.email AS sender_email,
           s.reply_to AS sender_reply_to, s.postal_address AS sender_postal_address, s.paused_until, s.paused_because
    FROM accounts AS a LEFT JOIN senders AS s ON s.account_id = a.id
    WHERE a.id = :account_id
""")
"""An account with its sender, if it has one."""

SET = text("""
    INSERT INTO senders (account_id, name, email, reply_to, postal_address, rate_used_until)
    VALUES (:account_id, :name, :email, :reply_to, :postal_address, :now)
    ON CONFLICT (account_id) DO UPDATE SET
        name = excluded.name, email = excluded.email, reply_to = excluded.reply_to,
        postal_address = excluded.postal_address, paused_until = NULL, paused_because = NULL
""")
"""The sender as it is given, and no longer paused."""
