-- The whole money path: the log, what follows from it, spent keys, merchants.
CREATE TABLE ledger (
    only_row INTEGER PRIMARY KEY CHECK (only_row = 1),
    secrets_check TEXT NOT NULL
) STRICT;

CREATE TABLE merchants (
    merchant_id TEXT PRIMARY KEY,
    settings BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE api_keys (
    api_key_hash BLOB PRIMARY KEY,
    key_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL REFERENCES merchants (merchant_id),
    created_at TEXT NOT NULL,
    revoked_at TEXT,
    UNIQUE (merchant_id, key_id)
) STRICT, WITHOUT ROWID;

-- The log: append-only, and the outbox.
CREATE TABLE transactions (
    position INTEGER PRIMARY KEY,
    payment_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    body BLOB NOT NULL,
    UNIQUE (payment_id, seq)
) STRICT;

-- Heads; ids are ordered by time, so the index is also each merchant's list, newest last.
CREATE TABLE payments (
    position INTEGER PRIMARY KEY,
    merchant_id TEXT NOT NULL,
    payment_id TEXT NOT NULL,
    version INTEGER NOT NULL,
    card_id TEXT NOT NULL,
    reference TEXT,
    status TEXT NOT NULL,
    expires_at INTEGER,
    body BLOB NOT NULL,
    UNIQUE (merchant_id, payment_id)
) STRICT;
CREATE INDEX payments_by_card ON payments (merchant_id, card_id, payment_id);
CREATE INDEX payments_by_status ON payments (merchant_id, status, payment_id);
CREATE INDEX payments_by_reference ON payments (merchant_id, reference, payment_id)
    WHERE reference IS NOT NULL;
CREATE INDEX payments_by_expiry ON payments (expires_at) WHERE expires_at IS NOT NULL;

-- Spent keys, oldest first; times in milliseconds since 1970.
CREATE TABLE idempotency (
    position INTEGER PRIMARY KEY,
    scope_hash BLOB NOT NULL UNIQUE,
    fingerprint BLOB NOT NULL,
    payment_id TEXT NOT NULL,
    seq INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;
