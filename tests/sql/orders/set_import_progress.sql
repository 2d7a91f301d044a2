UPDATE imports
SET received = :received,
    created = :created,
    updated = :updated,
    unchanged = :unchanged,
    rejected = :rejected,
    progressed_at = :now,
    finished_at = CAST(:finished_at AS timestamptz)
WHERE account_id = :account_id AND id = :import_id
