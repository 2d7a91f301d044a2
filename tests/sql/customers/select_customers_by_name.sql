(SELECT c.id,
        c.source_id,
        c.external_id,
        c.name,
        c.first_name,
        c.last_name,
        c.email,
        c.marketing,
        (SELECT w.reason
         FROM suppressions AS w
         WHERE w.account_id = :account_id
           AND w.address_hash = sha256((SELECT a.cursor_secret
                                        FROM accounts AS a
                                        WHERE a.id = :account_id) || convert_to('address:' || c.email,
                                                                       'UTF8'))) AS suppressed,
        c.language,
        c.created_at,
        "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) AS matched
 FROM customers AS c
 WHERE c.account_id = :account_id
   AND c.source_id = :source_id
   AND "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) ~>=~ "left"(lower(pg_catalog.normalize(ltrim(CAST(:name AS text)))),
                                                                           100)
   AND "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) ~<~ ("left"(lower(pg_catalog.normalize(ltrim(CAST(:name AS text)))),
                                                                           100) || chr(1114111))
   AND strpos(c.name, '@') = 0
   AND "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) = :after
   AND c.id > :after_id
 ORDER BY "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) USING ~<~, c.id
 LIMIT CAST(:limit AS bigint))

UNION ALL

(SELECT c.id,
        c.source_id,
        c.external_id,
        c.name,
        c.first_name,
        c.last_name,
        c.email,
        c.marketing,
        (SELECT w.reason
         FROM suppressions AS w
         WHERE w.account_id = :account_id
           AND w.address_hash = sha256((SELECT a.cursor_secret
                                        FROM accounts AS a
                                        WHERE a.id = :account_id) || convert_to('address:' || c.email,
                                                                       'UTF8'))) AS suppressed,
        c.language,
        c.created_at,
        "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) AS matched
 FROM customers AS c
 WHERE c.account_id = :account_id
   AND c.source_id = :source_id
   AND "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) ~>=~ "left"(lower(pg_catalog.normalize(ltrim(CAST(:name AS text)))),
                                                                           100)
   AND "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) ~<~ ("left"(lower(pg_catalog.normalize(ltrim(CAST(:name AS text)))),
                                                                           100) || chr(1114111))
   AND strpos(c.name, '@') = 0
   AND "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) ~>~ :after
 ORDER BY "left"(lower(pg_catalog.normalize(ltrim(c.name))), 100) USING ~<~, c.id
 LIMIT CAST(:limit AS bigint))

ORDER BY matched USING ~<~, id
LIMIT CAST(:limit AS bigint)
