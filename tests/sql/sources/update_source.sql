UPDATE sources
SET name = COALESCE(CAST(:name AS text), name),
    time_zone = COALESCE(CAST(:time_zone AS text), time_zone),
    week_start = COALESCE(CAST(:week_start AS text), week_start),
    url = CASE
            WHEN :sets_url THEN CAST(:url AS text)
            ELSE url
          END,
    boards_due_at = :now,
    version = version + 1
WHERE account_id = :account_id AND id = :source_id
RETURNING id
