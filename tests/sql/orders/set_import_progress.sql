UPDATE imports
SET received = :received,
    created = :created,
    updated = :updated,
    unchanged = :unchanged,
    rejected = :rejected,
    refused_kept = :refused_kept,
    progressed_at = :now,
    finished_at = CAST(:finished_at AS timestamptz),
    ended_because = CAST(:ended_because AS text)
WHERE account_id = :account_id AND id = :import_id
RETURNING id
