UPDATE customers
SET marketing = 'subscribed'
WHERE account_id = :account_id AND source_id = :source_id AND id % 5 < 3
