SELECT DISTINCT account_id, source_id
FROM outdated_standings AS o
WHERE NOT EXISTS (SELECT
                  FROM imports AS i
                  WHERE i.account_id = o.account_id
                    AND i.source_id = o.source_id
                    AND i.finished_at IS NULL
                    AND i.progressed_at > :silent_since)
  AND NOT EXISTS (SELECT
                  FROM sources AS s
                  WHERE s.account_id = o.account_id
                    AND s.id = o.source_id
                    AND s.deleted_at IS NOT NULL)
