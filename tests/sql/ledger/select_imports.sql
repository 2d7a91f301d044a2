SELECT id,
       received,
       created,
       updated,
       unchanged,
       rejected,
       started_at,
       progressed_at,
       finished_at,
       ended_because,
       refused_kept
FROM imports
WHERE account_id = :account_id AND source_id = :source_id AND id < :before
ORDER BY id DESC
LIMIT CAST(:limit AS bigint)
