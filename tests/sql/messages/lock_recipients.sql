-- customers of a deleted store have no address any more
SELECT c.id,
       CASE
         WHEN s.deleted_at IS NULL THEN c.email
       END AS email,
       c.name,
       c.marketing,
       (SELECT w.reason
        FROM suppressions AS w
        WHERE w.account_id = :account_id
          AND w.address_hash = sha256((SELECT a.cursor_secret
                                       FROM accounts AS a
                                       WHERE a.id = :account_id) || convert_to('address:' || c.email, 'UTF8'))) AS suppressed,
       s.sender_name,
       s.sender_email,
       s.sender_reply_to,
       s.postal_address,
       s.consent_sentence
FROM customers AS c INNER JOIN sources AS s ON s.account_id = c.account_id AND s.id = c.source_id
WHERE c.account_id = :account_id AND c.id = ANY(CAST(:customers AS bigint[]))
ORDER BY c.id
FOR SHARE OF c SKIP LOCKED
