DELETE FROM suppressions AS t
USING unnest(CAST(:address_hash AS bytea[])) AS n (address_hash)
WHERE t.account_id = :account_id AND t.address_hash = n.address_hash
