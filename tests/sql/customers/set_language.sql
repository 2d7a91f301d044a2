UPDATE customers
SET language = :language, language_at = :now
WHERE account_id = :account_id AND id = :customer_id
