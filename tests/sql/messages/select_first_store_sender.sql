SELECT sender_name, sender_email, sender_reply_to, postal_address, consent_sentence
FROM sources
WHERE account_id = :account_id
  AND sender_email IS NOT NULL
  AND deleted_at IS NULL
  AND (CAST(:sources AS bigint[]) IS NULL OR id = ANY(CAST(:sources AS bigint[])))
ORDER BY id
LIMIT 1
