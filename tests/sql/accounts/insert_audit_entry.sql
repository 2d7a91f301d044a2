INSERT INTO audit_entries (account_id, at, by, action, about)
VALUES (:account_id, :now, :by, :action, :about)
