DELETE FROM refused_rows
WHERE account_id = :account_id AND import_id = :import_id AND number <= :last
