UPDATE sources
SET orders = orders + :orders,
    unattributed = unattributed + :unattributed,
    foreign_currency = foreign_currency + :foreign_currency,
    amounts = amounts + :amounts,
    version = version + 1,
    contacts_version = contacts_version + :contacts
WHERE account_id = :account_id AND id = :source_id
RETURNING amounts
