SELECT c.id,
       c.marketing,
       (SELECT h.marketing
        FROM consent_changes AS h
        WHERE h.account_id = :account_id AND h.customer_id = c.id
        ORDER BY h.changed_at DESC, h.id DESC
        LIMIT 1) AS last_noted
FROM customers AS c
WHERE c.account_id = :account_id AND c.id = ANY(CAST(:customers AS bigint[]))
ORDER BY c.id
FOR UPDATE OF c
