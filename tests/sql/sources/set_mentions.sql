UPDATE inbox AS i
SET mentions = n.mentions
FROM (SELECT m.id, array_agg(m.mention) AS mentions
      FROM unnest(CAST(:ids AS bigint[]), CAST(:mentions AS bigint[])) AS m (id, mention)
      GROUP BY m.id) AS n
WHERE i.account_id = :account_id AND i.id = n.id
