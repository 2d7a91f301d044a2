INSERT INTO refused_rows (account_id, import_id, number, line, last_line, order_id, code, detail)
SELECT CAST(:account_id AS bigint),
       CAST(:import_id AS bigint),
       n.number,
       n.line,
       n.last_line,
       n.order_id,
       n.code,
       n.detail
FROM unnest(CAST(:numbers AS bigint[]),
            CAST(:lines AS bigint[]),
            CAST(:last_lines AS bigint[]),
            CAST(:order_ids AS text[]),
            CAST(:codes AS text[]),
            CAST(:details AS text[])) AS n (number, line, last_line, order_id, code, detail)
