-- Derives settlement from the log's captures, refunds and voids, and compares it with what is kept.
-- `rule` has the rules of the time, `holiday` the days off; `finding` gets what is wrong, and where.
CREATE TEMP TABLE log AS
    SELECT payment_id AS subject, seq, json_extract(text, '$.transaction_id') AS id,
        json_extract(text, '$.type') AS type, json_extract(text, '$.status') = 'completed' AS done,
        json_extract(text, '$.amount') AS amount, json_extract(text, '$.currency') AS currency,
        strftime('%Y-%m-%d %H:%M:%f', json_extract(text, '$.created_at')) AS at, text
    FROM (SELECT payment_id, seq, CAST(body AS TEXT) AS text FROM transactions);

-- What the log says was settled, and what lines say.
CREATE TEMP TABLE settled AS
    SELECT subject, seq, json_extract(text, '$.settlement.settlement_id') AS batch,
        json_extract(item.value, '$.transaction_id') AS id,
        json_extract(item.value, '$.amount') AS amount, json_extract(item.value, '$.fee') AS fee
    FROM log, json_each(text, '$.settlement.items') AS item WHERE log.type = 'settlement';
CREATE TEMP TABLE line AS
    SELECT payment_id AS subject, seq, settlement_id AS batch,
        json_extract(item.value, '$.transaction_id') AS id,
        json_extract(item.value, '$.amount') AS amount, json_extract(item.value, '$.fee') AS fee,
        json_extract(item.value, '$.type') AS type
    FROM settlement_lines, json_each(CAST(body AS TEXT), '$.items') AS item;
CREATE INDEX temp.line_by_id ON line (id);
CREATE TEMP TABLE batch AS
    SELECT id, currency, state, day, closes, pays_on, brought, captures, refunds, gross, refunded,
        fees, gross - refunded - fees AS net
    FROM (SELECT settlement_id AS id, currency, state, json_extract(text, '$.business_day') AS day,
        strftime('%Y-%m-%d %H:%M:%f', json_extract(text, '$.closes_at')) AS closes,
        json_extract(text, '$.payout_date') AS pays_on,
        ifnull(json_extract(text, '$.brought_forward'), 0) AS brought,
        ifnull(json_extract(text, '$.totals.captures'), 0) AS captures,
        ifnull(json_extract(text, '$.totals.refunds'), 0) AS refunds,
        ifnull(json_extract(text, '$.totals.gross'), 0) AS gross,
        ifnull(json_extract(text, '$.totals.refunded'), 0) AS refunded,
        ifnull(json_extract(text, '$.totals.fees'), 0) AS fees
        FROM (SELECT settlement_id, currency, state, CAST(body AS TEXT) AS text FROM settlements));

-- Business days, and when each ends.
CREATE TEMP TABLE day AS
    WITH RECURSIVE every(day) AS (
        SELECT date(min(at), '-1 day') FROM log
        UNION ALL SELECT date(day, '+1 day') FROM every, rule WHERE day < date(now, '+30 days'))
    SELECT day, day || ' ' || cutoff || ':00.000' AS ends FROM every, rule
    WHERE strftime('%w', day) NOT IN ('0', '6') AND day NOT IN (SELECT day FROM holiday);

-- Each capture that was not voided, its cut-off and its fee, half up.
CREATE TEMP TABLE wanted AS
    SELECT id, subject, seq, type, amount, currency, at,
        (SELECT min(ends) FROM day WHERE ends > at) AS ends,
        (amount * rate_bps + 5000) / 10000 + fixed AS fee
    FROM log, rule WHERE done AND type = 'capture' AND id NOT IN (
        SELECT json_extract(text, '$.allocations[0].transaction_id') FROM log
        WHERE type = 'void' AND done AND json_extract(text, '$.allocations') IS NOT NULL);
CREATE UNIQUE INDEX temp.wanted_by_id ON wanted (id);
-- Each refund: with the last of its captures at the soonest; it gives back their fees in proportion.
INSERT INTO wanted
    SELECT id, subject, seq, 'refund', sum(part), currency, at,
        max((SELECT min(ends) FROM day WHERE ends > at), max(ends)), -sum(
            (2 * fee * upto + captured) / (2 * captured)
            - (2 * fee * (upto - part) + captured) / (2 * captured))
    FROM (SELECT r.id, r.subject, r.seq, r.currency, r.at, c.ends, c.fee, c.amount AS captured,
            json_extract(a.value, '$.amount') AS part,
            sum(json_extract(a.value, '$.amount')) OVER (PARTITION BY c.id ORDER BY r.seq) AS upto
        FROM log AS r, json_each(r.text, '$.allocations') AS a
        JOIN wanted AS c ON c.id = json_extract(a.value, '$.transaction_id')
        WHERE r.type = 'refund' AND r.done)
    GROUP BY id;

CREATE TEMP TABLE finding (wrong TEXT, place TEXT);
INSERT INTO finding SELECT 'once', id FROM wanted, rule
    WHERE (ends <= now) <> (SELECT count(*) FROM line WHERE line.id = wanted.id);
INSERT INTO finding SELECT 'once', id FROM line WHERE id NOT IN (SELECT id FROM wanted);
INSERT INTO finding SELECT 'amount', id FROM line JOIN wanted USING (id)
    WHERE line.amount <> wanted.amount;
INSERT INTO finding SELECT 'fee', id FROM line JOIN wanted USING (id) WHERE line.fee <> wanted.fee;
INSERT INTO finding SELECT 'day', line.id FROM line JOIN wanted USING (id)
    LEFT JOIN batch ON batch.id = line.batch
    WHERE wanted.ends IS NOT batch.closes OR wanted.currency IS NOT batch.currency;
INSERT INTO finding SELECT 'line', id FROM (
    SELECT subject, seq, batch, id, amount, fee FROM settled
    EXCEPT SELECT subject, seq, batch, id, amount, fee FROM line);
INSERT INTO finding SELECT 'line', id FROM (
    SELECT subject, seq, batch, id, amount, fee FROM line
    EXCEPT SELECT subject, seq, batch, id, amount, fee FROM settled);
INSERT INTO finding SELECT 'totals', id FROM batch WHERE state NOT IN ('open', 'closing')
    AND (captures, refunds, gross, refunded, fees) <> (
        SELECT total(type = 'capture'), total(type = 'refund'),
            total(iif(type = 'capture', amount, 0)), total(iif(type = 'refund', amount, 0)),
            total(fee)
        FROM line WHERE line.batch = batch.id);
INSERT INTO finding SELECT 'totals', settlement_id FROM settlement_lines AS l
    WHERE (captures, refunds, gross, refunded, fees) <> (
        SELECT total(type = 'capture'), total(type = 'refund'),
            total(iif(type = 'capture', amount, 0)), total(iif(type = 'refund', amount, 0)),
            total(fee)
        FROM line WHERE batch = settlement_id AND subject = payment_id AND line.seq = l.seq);
INSERT INTO finding SELECT 'chain', id FROM (
    SELECT id, brought, ifnull(lag(min(net + brought, 0))
        OVER (PARTITION BY currency ORDER BY day), 0) AS carried
    FROM batch) WHERE brought <> carried;
INSERT INTO finding SELECT 'batch', id FROM batch, rule WHERE state <> CASE
    WHEN closes > now THEN 'open'
    WHEN net + brought <= 0 OR pays_on > date(now) THEN 'closed'
    ELSE 'paid' END;
INSERT INTO finding SELECT 'batch', id FROM batch WHERE closes NOT IN (SELECT ends FROM day)
    OR day <> date(closes)
    OR pays_on <> (SELECT min(day.day) FROM day WHERE day.day > date(closes));
INSERT INTO finding SELECT 'account', a.currency
    FROM accounts AS a LEFT JOIN batch AS b ON a.currency = b.currency GROUP BY a.currency
    HAVING total(iif(state = 'paid', net + brought, 0))
            <> ifnull(json_extract(CAST(a.body AS TEXT), '$.paid_out'), 0)
        OR total(iif(state = 'closed', max(net + brought, 0), 0)) <> (
            SELECT total(json_extract(value, '$.amount'))
            FROM json_each(CAST(a.body AS TEXT), '$.in_transit'))
        OR total(b.fees) <> ifnull(json_extract(CAST(a.body AS TEXT), '$.totals.fees'), 0)
        OR total(net) - total(max(net + brought, 0))
            <> ifnull(json_extract(CAST(a.body AS TEXT), '$.carried_forward'), 0);
INSERT INTO finding SELECT 'pending', payment_id FROM payments, rule WHERE unsettled <> (
    SELECT total(iif(type = 'capture', amount, -amount)) FROM wanted
    WHERE subject = payment_id AND ends > now);
INSERT INTO finding SELECT 'seq', subject FROM log
    GROUP BY subject HAVING max(seq) <> count(*) OR min(seq) <> 1;
INSERT INTO finding SELECT 'seq', payment_id FROM payments
    WHERE version <> (SELECT count(*) FROM log WHERE subject = payment_id);
INSERT INTO finding SELECT 'seq', id FROM batch
    WHERE (SELECT count(*) FROM log WHERE subject = batch.id)
    <> CASE state WHEN 'paid' THEN 2 WHEN 'closed' THEN 1 ELSE 0 END;
