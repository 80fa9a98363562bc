-- Time and settlement: a clock for each merchant; what is due of each payment; batches, their
-- lines and accounts. Times in milliseconds since 1970.
ALTER TABLE merchants ADD COLUMN clock_offset_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE merchants ADD COLUMN resets INTEGER NOT NULL DEFAULT 0;

-- When a key's life ends on the merchant's clock; expires_at is real time.
ALTER TABLE idempotency ADD COLUMN ends_at INTEGER NOT NULL DEFAULT 0;
UPDATE idempotency SET ends_at = expires_at;

-- What was captured before is settled at the next midnight after it, with the fees of the default.
UPDATE payments SET body = CAST(json_set(CAST(body AS TEXT),
    '$.captures', json((
        SELECT json_group_array(json_set(c.value,
            '$.settles_at',
            date(json_extract(c.value, '$.created_at'), '+1 day') || 'T00:00:00Z',
            '$.fee', (json_extract(c.value, '$.amount') * 290 + 5000) / 10000 + 30))
        FROM json_each(CAST(payments.body AS TEXT), '$.captures') c)),
    '$.refunds', json((
        SELECT json_group_array(json_object(
            'transaction_id', json_extract(t.body, '$.transaction_id'),
            'amount', json_extract(t.body, '$.amount'),
            'created_at', json_extract(t.body, '$.created_at'),
            'settles_at',
            date(json_extract(t.body, '$.created_at'), '+1 day') || 'T00:00:00Z'))
        FROM (SELECT CAST(body AS TEXT) AS body FROM transactions
              WHERE payment_id = payments.payment_id ORDER BY seq) t
        WHERE json_extract(t.body, '$.type') = 'refund'
            AND json_extract(t.body, '$.status') = 'completed')))
    AS BLOB)
WHERE json_array_length(CAST(body AS TEXT), '$.captures') > 0;

ALTER TABLE payments ADD COLUMN currency TEXT NOT NULL DEFAULT '';
ALTER TABLE payments ADD COLUMN due_at INTEGER;
ALTER TABLE payments ADD COLUMN unsettled INTEGER NOT NULL DEFAULT 0;
UPDATE payments SET
    currency = json_extract(CAST(body AS TEXT), '$.currency'),
    unsettled = ifnull((SELECT sum(json_extract(c.value, '$.amount'))
                        FROM json_each(CAST(body AS TEXT), '$.captures') c), 0)
              - ifnull((SELECT sum(json_extract(r.value, '$.amount'))
                        FROM json_each(CAST(body AS TEXT), '$.refunds') r), 0),
    due_at = nullif(min(
        ifnull((SELECT min(strftime('%s', json_extract(c.value, '$.settles_at'))) * 1000
                FROM json_each(CAST(body AS TEXT), '$.captures') c), 1 << 62),
        ifnull((SELECT min(strftime('%s', json_extract(r.value, '$.settles_at'))) * 1000
                FROM json_each(CAST(body AS TEXT), '$.refunds') r), 1 << 62),
        iif(json_extract(CAST(body AS TEXT), '$.amounts.authorized')
                - ifnull(json_extract(CAST(body AS TEXT), '$.amounts.captured'), 0)
                - ifnull(json_extract(CAST(body AS TEXT), '$.amounts.released'), 0) > 0,
            CAST(round((julianday(json_extract(CAST(body AS TEXT), '$.capture_before'))
                        - 2440587.5) * 86400000) AS INTEGER),
            1 << 62)), 1 << 62);
CREATE INDEX payments_due ON payments (merchant_id, due_at, currency, unsettled, expires_at)
    WHERE due_at IS NOT NULL;

CREATE TABLE accounts (
    merchant_id TEXT NOT NULL,
    currency TEXT NOT NULL,
    version INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (merchant_id, currency)
) STRICT, WITHOUT ROWID;

CREATE TABLE settlements (
    settlement_id TEXT PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    listed_at TEXT NOT NULL,
    currency TEXT NOT NULL,
    state TEXT NOT NULL,
    expires_at INTEGER,
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX settlements_by_merchant ON settlements (merchant_id, listed_at);

CREATE TABLE settlement_lines (
    settlement_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    captures INTEGER NOT NULL,
    refunds INTEGER NOT NULL,
    gross INTEGER NOT NULL,
    refunded INTEGER NOT NULL,
    fees INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (settlement_id, payment_id, seq)
) STRICT, WITHOUT ROWID;
