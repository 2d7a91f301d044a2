UPDATE imports
SET refused_kept = 0
WHERE account_id = :account_id AND id = :import_id
