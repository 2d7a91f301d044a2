UPDATE orders
SET customer_id = NULL, guest_email = NULL, discount_codes = NULL, content_hash = 0, erased_at = :now
WHERE account_id = :account_id AND source_id = :source_id AND customer_id = :customer_id
RETURNING deleted_at IS NULL AS counted
