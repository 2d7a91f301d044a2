DELETE FROM consent_changes
WHERE account_id = :account_id AND customer_id = :customer_id
