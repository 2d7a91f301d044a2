SELECT (SELECT count(*)
        FROM messages
        WHERE due_at IS NOT NULL) AS messages_waiting,
       (SELECT COALESCE(EXTRACT(EPOCH FROM CAST(:now AS timestamptz) - min(due_at)), 0)
        FROM messages
        WHERE due_at < :now) AS messages_overdue_seconds,
       (SELECT count(*)
        FROM messages
        WHERE status = 'held') AS messages_held,
       (SELECT count(*)
        FROM senders
        WHERE paused_until > :now) AS senders_paused,
       (SELECT count(*)
        FROM outdated_standings) AS standings_outdated,
       (SELECT count(*)
        FROM inbox
        WHERE status = 'waiting') AS webhooks_waiting,
       (SELECT COALESCE(EXTRACT(EPOCH FROM CAST(:now AS timestamptz) - min(received_at)), 0)
        FROM inbox
        WHERE status = 'waiting') AS webhooks_oldest_waiting_seconds,
       (SELECT count(*)
        FROM inbox
        WHERE status = 'quarantined') AS webhooks_quarantined,
       (SELECT count(*)
        FROM store_connections
        WHERE state = 'degraded') AS stores_degraded,
       (SELECT count(*)
        FROM store_connections
        WHERE state = 'disconnected') AS stores_disconnected,
       (SELECT COALESCE(EXTRACT(EPOCH FROM CAST(:now AS timestamptz) - min(pull_due_at)), 0)
        FROM store_connections
        WHERE pull_due_at < :now AND state <> 'disconnected') AS stores_overdue_seconds,
       (SELECT pg_database_size(current_database())) AS database_bytes,
       (SELECT COALESCE(EXTRACT(EPOCH FROM CAST(:now AS timestamptz) - min(created_at)), 0)
        FROM messages
        WHERE due_at IS NOT NULL) AS messages_oldest_unsent_seconds,
       (SELECT COALESCE(EXTRACT(EPOCH FROM CAST(:now AS timestamptz) - min(boards_due_at)), 0)
        FROM sources
        WHERE boards_due_at < :now AND deleted_at IS NULL) AS boards_overdue_seconds
