SELECT id, external_id, email, name, email_at, name_at
FROM customers
WHERE account_id = :account_id
  AND source_id = :source_id
  AND (external_id = ANY(CAST(:external_ids AS text[])) OR id = ANY(CAST(:ids AS bigint[])))
