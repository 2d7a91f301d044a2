DELETE FROM merged_customers
WHERE account_id = :account_id AND heir_id = :customer_id
