//! The statement that claims.

/// The statement for so many queues: `$3` their names, `$4` how many messages to take, `$5` how many to look at, `$6`
/// the worker, `$7` the lease, `$8` whether leases that ran out have been seen to.
///
/// - Each priority is looked at by itself, the highest first, and each queue in the order of its index: what is
///   scheduled is never walked over.
/// - Rows are locked one by one, and no more than are looked at. What somebody else has locked is skipped.
/// - A row that is known by its id is found by it: `state + 0` keeps every index away that is only for a state.
/// - Of those that have expired, and whose lane moves on, nothing behind is taken: another may have come before it.
pub(super) fn look(queues: usize) -> String {
    let found = match queues {
        // Of no queue, none is found.
        0 | 1 => ORDERED.replace("{number}", "1").replace("{lock}", "FOR UPDATE SKIP LOCKED"),
        _ => {
            let each = (1..=queues).map(|number| {
                format!("({})", ORDERED.replace("{number}", &number.to_string()).replace("{lock}", ""))
            });
            let each: Vec<_> = each.collect();
            MERGED.replace("{each}", &each.join(" UNION ALL "))
        }
    };
    LOOK.replace("{found}", &found).replace("{columns}", super::super::row::COLUMNS)
}

/// The messages of one queue, in order.
const ORDERED: &str = "
    SELECT m.id, m.priority, m.due, m.lane, m.attempts, m.series, m.expires FROM {s}dispatch_message m
    WHERE m.transport = $1 AND m.queue = ($3)[{number}] AND m.priority = p.priority AND m.state = 1
        AND m.due <= (SELECT now FROM clock)
        AND NOT EXISTS (
            SELECT FROM {s}dispatch_paused q WHERE q.transport = $1 AND q.name = ($3)[{number}]
        )
    ORDER BY m.due, m.id {lock}";

/// Those of several queues, in one order, each locked when it is its turn.
const MERGED: &str = "
    SELECT l.* FROM ({each} ORDER BY due, id) c CROSS JOIN LATERAL (
        SELECT m.id, m.priority, m.due, m.lane, m.attempts, m.series, m.expires FROM {s}dispatch_message m
        WHERE m.transport = $1 AND m.id = c.id AND m.state + 0 = 1 AND m.due <= (SELECT now FROM clock)
        FOR UPDATE SKIP LOCKED
    ) l";

const LOOK: &str = "
    WITH clock AS MATERIALIZED (
        SELECT {now} AS now
    ), ended AS MATERIALIZED (
        SELECT 1 FROM {s}dispatch_message m
        WHERE NOT $8 AND m.transport = $1 AND m.state = 2 AND m.until <= (SELECT now FROM clock) LIMIT 1
    ), looked AS MATERIALIZED (
        SELECT f.id, f.priority, f.due, f.lane IS NOT NULL AS laned,
            f.attempts = 0 AND f.series = 0 AND f.expires IS NOT NULL AND f.expires <= (SELECT now FROM clock) AS over
        FROM generate_series(10, 1, -1) p (priority) CROSS JOIN LATERAL ({found}) f
        WHERE NOT EXISTS (SELECT FROM ended)
        LIMIT $5
    ), ranked AS MATERIALIZED (
        SELECT id, over, count(*) FILTER (WHERE NOT over) OVER w AS taken,
            coalesce(bool_or(over AND laned) OVER w, false) AS cut
        FROM looked
        WINDOW w AS (ORDER BY priority DESC, due, id ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)
    ), m AS (
        UPDATE {s}dispatch_message m
        SET state = 2, attempts = m.attempts + 1, claim = nextval({claims}), worker = $6,
            since = (SELECT now FROM clock), until = least((SELECT now FROM clock) + $7, 400000000000000)
        WHERE m.transport = $1
            AND m.id = ANY(ARRAY(SELECT id FROM ranked r WHERE NOT r.over AND NOT r.cut AND r.taken < $4))
        RETURNING m.priority, {columns}
    )
    SELECT (SELECT now FROM clock), EXISTS (SELECT FROM ended),
        ARRAY(SELECT id FROM ranked r WHERE r.over AND NOT r.cut AND r.taken < $4), m.priority, {columns}
    FROM clock LEFT JOIN m ON true";
