UPDATE sources
SET name = COALESCE(CAST(:name AS text), name),
    time_zone = COALESCE(CAST(:time_zone AS text), time_zone),
    week_start = COALESCE(CAST(:week_start AS text), week_start),
    url = CASE
            WHEN :sets_url THEN CAST(:url AS text)
            ELSE url
          END,
    sender_name = CASE
                    WHEN :sets_sender THEN CAST(:sender_name AS text)
                    ELSE sender_name
                  END,
    sender_email = CASE
                     WHEN :sets_sender THEN CAST(:sender_email AS text)
                     ELSE sender_email
                   END,
    sender_reply_to = CASE
                        WHEN :sets_sender THEN CAST(:sender_reply_to AS text)
                        ELSE sender_reply_to
                      END,
    postal_address = CASE
                       WHEN :sets_postal_address THEN CAST(:postal_address AS text)
                       ELSE postal_address
                     END,
    language = CASE
                 WHEN :sets_language THEN CAST(:language AS text)
                 ELSE language
               END,
    consent_sentence = CASE
                         WHEN :sets_consent_sentence THEN CAST(:consent_sentence AS text)
                         ELSE consent_sentence
                       END,
    boards_due_at = :now,
    version = version + 1
WHERE account_id = :account_id AND id = :source_id AND deleted_at IS NULL
RETURNING id
