SELECT id
FROM inbox
WHERE account_id = :account_id AND id = ANY(CAST(:ids AS bigint[])) AND status = 'waiting'
ORDER BY id
FOR UPDATE
