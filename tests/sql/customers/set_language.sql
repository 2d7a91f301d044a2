UPDATE customers
SET language = :language
WHERE account_id = :account_id AND id = :customer_id
