UPDATE audiences
SET name = :name
WHERE account_id = :account_id AND id = :audience_id
RETURNING id, name, created_at
