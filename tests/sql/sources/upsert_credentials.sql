INSERT INTO store_connections AS k (account_id,
                                    source_id,
                                    secrets,
                                    state,
                                    since,
                                    api_version,
                                    customer_data,
                                    history_from,
                                    pull_due_at)
VALUES (:account_id, :source_id, :secrets, 'connecting', :now, :api_version, :customer_data, :history_from, :now)
ON CONFLICT (account_id, source_id)
   DO UPDATE
     SET secrets = excluded.secrets,
         state = excluded.state,
         reason = NULL,
         since = excluded.since,
         api_version = excluded.api_version,
         customer_data = excluded.customer_data,
         history_from = COALESCE(k.history_from, excluded.history_from),
         pull_due_at = excluded.pull_due_at,
         pull_lease_until = NULL,
         failures = 0
