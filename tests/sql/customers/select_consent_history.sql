SELECT marketing, changed_by, changed_at
FROM consent_changes
WHERE account_id = :account_id AND customer_id = :customer_id
ORDER BY changed_at, id
