UPDATE customers
SET marketing = :marketing, marketing_weight = 'explicit', marketing_at = :now
WHERE account_id = :account_id AND id = ANY(CAST(:customers AS bigint[]))
