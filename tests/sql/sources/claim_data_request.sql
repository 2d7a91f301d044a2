UPDATE data_requests
SET tell_at = :next, tries = tries + 1
WHERE account_id = :account_id AND id = :id AND tell_at = :tell_at
