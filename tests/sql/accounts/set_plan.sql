UPDATE accounts
SET plan = :plan
WHERE id = :account_id
RETURNING id, name, plan, created_at
