-- Webhooks: whose each transaction is, so that the log can be read as a merchant's events; the
-- endpoints; the deliveries; and how far the log was made into deliveries.
ALTER TABLE transactions ADD COLUMN merchant_id TEXT NOT NULL DEFAULT '';
UPDATE transactions SET merchant_id = json_extract(CAST(body AS TEXT), '$.merchant_id');
CREATE INDEX transactions_by_merchant ON transactions (merchant_id, position);

CREATE TABLE endpoints (
    merchant_id TEXT PRIMARY KEY REFERENCES merchants (merchant_id),
    body BLOB NOT NULL
) STRICT, WITHOUT ROWID;

-- due_at and expires_at in milliseconds since 1970; listed_at is in the order of the list.
CREATE TABLE deliveries (
    position INTEGER PRIMARY KEY,
    delivery_id TEXT NOT NULL UNIQUE,
    merchant_id TEXT NOT NULL,
    endpoint_id TEXT NOT NULL,
    listed_at TEXT NOT NULL,
    version INTEGER NOT NULL,
    state TEXT NOT NULL,
    due_at INTEGER,
    expires_at INTEGER,
    body BLOB NOT NULL
) STRICT;
CREATE INDEX deliveries_by_merchant ON deliveries (merchant_id, listed_at);
CREATE INDEX deliveries_dead ON deliveries (merchant_id, listed_at) WHERE state = 'dead';
CREATE INDEX deliveries_due ON deliveries (endpoint_id, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX deliveries_by_expiry ON deliveries (expires_at) WHERE expires_at IS NOT NULL;

-- Transactions up to this position have their deliveries.
CREATE TABLE relayed (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    position INTEGER NOT NULL
) STRICT;
INSERT INTO relayed SELECT 1, ifnull(max(position), 0) FROM transactions;
