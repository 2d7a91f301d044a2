UPDATE customers AS c
SET marketing = h.marketing
FROM (SELECT DISTINCT ON (account_id, customer_id) account_id, customer_id, marketing
      FROM consent_changes
      WHERE account_id = :account_id AND customer_id = ANY(CAST(:heirs AS bigint[]))
      ORDER BY account_id, customer_id, changed_at DESC, id DESC) AS h
WHERE c.account_id = :account_id AND h.account_id = c.account_id AND c.id = h.customer_id
