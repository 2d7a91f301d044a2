UPDATE accounts
SET plan = :plan, closed_at = :closed_at
WHERE id = :account_id
RETURNING id, name, plan, created_at, closed_at
