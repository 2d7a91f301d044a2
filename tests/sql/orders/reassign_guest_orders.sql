UPDATE orders AS o
SET customer_id = n.heir
FROM unnest(CAST(:addresses AS text[]), CAST(:owners AS bigint[]), CAST(:heirs AS bigint[])) AS n (email, owner, heir)
WHERE o.account_id = :account_id
  AND o.source_id = :source_id
  AND o.customer_id = n.owner
  AND o.guest_email = n.email
