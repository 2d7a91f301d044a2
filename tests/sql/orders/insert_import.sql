INSERT INTO imports (account_id,
                     source_id,
                     received,
                     created,
                     updated,
                     unchanged,
                     rejected,
                     started_at,
                     progressed_at)
SELECT s.account_id, s.id, 0, 0, 0, 0, 0, CAST(:now AS timestamptz), CAST(:now AS timestamptz)
FROM sources AS s
WHERE s.account_id = :account_id AND s.id = :source_id AND s.deleted_at IS NULL
RETURNING id
