"""The SQL of a lease. Who calls it, and why, stands in `annotation.services.leases`."""

from annotation.models import Assignment, Lease
from annotation.selectors import COMPLETIONS_JSON
from annotation.statements import Columns, Statement

LOCK_ANNOTATOR = Statement(
    "lock_annotator", ["bigint"], "SELECT FROM annotation_membership WHERE id = $1 FOR NO KEY UPDATE"
)
"""Sent before a query in one round trip: that query looks only once the lock is there."""

LEASE, SLOT = Columns(Lease), Columns(Assignment)


def standing_sql(who: str) -> str:
    """How a person stands (`Standing`), a row for each running lease or one without. $2 is now, $3 the start of
    the day."""
    return f"""
    SELECT m.id, m.is_active, m.paused_at IS NOT NULL, p.daily_cap,
        (SELECT EXISTS (SELECT FROM annotation_consent c WHERE c.consent_text_id = t.id AND c.annotator_id = m.id)
         FROM annotation_consenttext t WHERE t.project_id = p.id ORDER BY t.number DESC LIMIT 1),
        (SELECT g.id FROM annotation_guidelineversion g WHERE g.project_id = p.id ORDER BY g.number DESC LIMIT 1),
        coalesce((SELECT l.ordinal FROM annotation_lease l WHERE l.annotator_id = m.id
                  ORDER BY l.ordinal DESC LIMIT 1), 0),
        CASE WHEN p.daily_cap IS NOT NULL THEN
            (SELECT count(*) FROM annotation_judgment j
             CROSS JOIN LATERAL (
                 SELECT t.purpose FROM annotation_assignment t WHERE t.id = j.assignment_id OFFSET 0) AS t
             WHERE j.annotator_id = m.id AND j.created_at >= $3 AND j.supersedes_id IS NULL
               AND t.purpose <> 'training')
        END,
        (SELECT b.id FROM annotation_batch b
         WHERE b.project_id = p.id AND b.purpose = 'training' AND b.state = 'open'
           AND (b.skill = '' OR b.skill = ANY (m.skills))
           AND NOT EXISTS (SELECT FROM annotation_trainingtry y
                           WHERE y.batch_id = b.id AND y.annotator_id = m.id AND y.is_passed)
         ORDER BY b.number LIMIT 1),
        {LEASE.of("l")}, {SLOT.of("a")}
    FROM annotation_membership m
    JOIN annotation_project p ON p.id = m.project_id
    LEFT JOIN annotation_assignment a
        ON a.annotator_id = m.id AND a.state = 'leased' AND a.expires_at > $2
    LEFT JOIN annotation_lease l ON l.assignment_id = a.id AND l.attempt = a.attempt
    WHERE {who}
    ORDER BY l.leased_at, l.id
    """


STANDING = Statement("standing", ["bigint", "timestamptz", "timestamptz"], standing_sql("m.id = $1"))
STANDINGS = Statement(
    "standings", ["bigint[]", "timestamptz", "timestamptz"], standing_sql("m.id = ANY ($1)")
)


def under_limit(category: str, project: str) -> str:
    """The person has not been shown as many items of the category today as their project's limit allows."""
    return f"""({category} = '' OR NOT EXISTS (
        SELECT FROM annotation_exposurelimit x
        WHERE x.project_id = {project} AND x.category = {category} AND x.per_day <=
            (SELECT count(DISTINCT a.item_id) FROM annotation_lease l
             CROSS JOIN LATERAL (
                 SELECT a.item_id FROM annotation_assignment a WHERE a.id = l.assignment_id OFFSET 0) AS a
             CROSS JOIN LATERAL (SELECT i.category FROM annotation_item i WHERE i.id = a.item_id OFFSET 0) AS i2
             WHERE l.annotator_id = $1 AND l.leased_at >= $6 AND i2.category = x.category)))"""


# What decides for a whole pool is asked of the pools, which are few. What decides for one item is asked of the
# slots, from the person's place on. `$5` leaves the caps aside, to tell "capped" from "nothing left". Under a batch's
# cap a lease that ran out counts until it is swept: its answer may still come in and be taken.
ELIGIBLE_POOLS = f"""
    SELECT p.id AS pool_id, coalesce(q.position, 0) AS passed, b.id AS batch_id, b.gold_share, b.repeat_share,
           b.lease_seconds, b.protocol_id, m.languages, j.id AS project_id, j.exclusion_limit
    FROM annotation_membership m
    JOIN annotation_project j ON j.id = m.project_id
    JOIN annotation_batch b ON b.project_id = m.project_id AND b.state = 'open' AND b.purpose = 'work'
    JOIN annotation_pool p ON p.batch_id = b.id
    LEFT JOIN annotation_poolplace q ON q.pool_id = p.id AND q.annotator_id = m.id
    WHERE m.id = $1 AND ($2 IS NULL OR b.id = $2)
      AND (b.skill = '' OR b.skill = ANY (m.skills))
      AND (p.language = '' OR m.languages = '{{}}' OR p.language = ANY (m.languages))
      AND (NOT EXISTS (SELECT FROM annotation_batch_staff s WHERE s.batch_id = b.id)
           OR EXISTS (SELECT FROM annotation_batch_staff s WHERE s.batch_id = b.id AND s.membership_id = m.id))
      AND ($5 OR b.cap_per_annotator IS NULL OR b.cap_per_annotator >
           (SELECT count(*) FROM annotation_assignment a
            WHERE a.annotator_id = m.id AND a.batch_id = b.id AND a.state = 'submitted')
         + (SELECT count(*) FROM annotation_assignment a
            WHERE a.annotator_id = m.id AND a.batch_id = b.id AND a.state = 'leased'))
      AND ($5 OR {under_limit("p.category", "j.id")})
    ORDER BY b.priority DESC, b.number, p.priority DESC, p.id
"""

# `OFFSET 0` keeps PostgreSQL from joining all that a person has ever judged: it looks up one item at a time.
FITS = """
    NOT EXISTS (SELECT FROM annotation_assignment o
                WHERE o.item_id = a.item_id AND o.annotator_id = $1 AND o.state <> 'void' OFFSET 0)
    AND NOT EXISTS (SELECT FROM annotation_exclusion x WHERE x.item_id = a.item_id
                    HAVING bool_or(x.annotator_id = $1)
                        OR count(*) FILTER (WHERE x.reason <> 'late') >= e.exclusion_limit)
"""
"""Slot `a` fits annotator $1: neither judged nor held by them, not excluded, and not refused by too many."""

PICK_TYPES = ["bigint", "bigint", "float8", "bigint", "bool", "timestamptz", "timestamptz"]
"""annotator, batch or null, draw in [0, 1), seed, caps aside, start of the day, now"""


def pick(name: str, lock: str) -> Statement:
    """The first slot that fits, locked by `lock`, and what is to be shown: its item, or a gold item or a repeat
    of the same batch when the draw says so and there is one. Pools are looked at one by one until a slot fits.
    """
    return Statement(
        name,
        PICK_TYPES,
        f"""
        SELECT f.slot_id, f.pool_id, f.batch_id, f.lease_seconds, f.protocol_id,
            CASE WHEN g.item_id IS NOT NULL THEN 'gold' WHEN r.item_id IS NOT NULL THEN 'repeat' ELSE 'work' END,
            r.slot_id, r.display_order, i.id, i.prompt, i.language, {COMPLETIONS_JSON.format(item="i.id")}
        FROM (
            SELECT * FROM ({ELIGIBLE_POOLS}) AS e CROSS JOIN LATERAL (
                SELECT a.id AS slot_id, a.item_id AS work_id
                FROM annotation_assignment a
                WHERE a.pool_id = e.pool_id AND a.state = 'open' AND a.position > e.passed AND {FITS}
                ORDER BY a.position LIMIT 1 {lock}
            ) AS s
            LIMIT 1
        ) AS f
        LEFT JOIN LATERAL (
            SELECT i.id AS item_id FROM annotation_item i
            WHERE $3 < f.gold_share AND i.batch_id = f.batch_id AND i.target_overlap = 0
              AND (i.language = '' OR f.languages = '{{}}' OR i.language = ANY (f.languages))
              AND NOT EXISTS (SELECT FROM annotation_assignment o
                              WHERE o.item_id = i.id AND o.annotator_id = $1 AND o.state <> 'void' OFFSET 0)
              AND NOT EXISTS (SELECT FROM annotation_exclusion x
                              WHERE x.item_id = i.id AND x.annotator_id = $1 OFFSET 0)
              AND {under_limit("i.category", "f.project_id")}
            ORDER BY hashint8extended(i.id, $4) LIMIT 1
        ) AS g ON true
        LEFT JOIN LATERAL (
            SELECT o.id AS slot_id, o.item_id, l.display_order
            -- at least ten answers ago, and not so long ago that the walk gets long
            FROM (SELECT * FROM annotation_assignment o
                  WHERE o.annotator_id = $1 AND o.batch_id = f.batch_id AND o.state = 'submitted'
                    AND $3 >= f.gold_share AND $3 < f.gold_share + f.repeat_share
                  ORDER BY o.submitted_at DESC OFFSET 10 LIMIT 100) AS o
            JOIN annotation_lease l ON l.assignment_id = o.id AND l.attempt = o.attempt
            JOIN annotation_item i ON i.id = o.item_id
            WHERE o.purpose = 'work' AND {under_limit("i.category", "f.project_id")}
              AND NOT EXISTS (SELECT FROM annotation_assignment o2 WHERE o2.repeats_id = o.id OFFSET 0)
            ORDER BY hashint8extended(o.id, $4) LIMIT 1
        ) AS r ON true
        JOIN annotation_item i ON i.id = coalesce(g.item_id, r.item_id, f.work_id)
        """,
    )


PICK = pick("pick", "FOR UPDATE OF a SKIP LOCKED")
PICK_WAITING = pick("pick_waiting", "FOR UPDATE OF a")
LOOK = pick("look", "")
FITS_ONCE_SWEPT = """
    NOT EXISTS (SELECT FROM annotation_assignment o
                WHERE o.item_id = a.item_id AND o.annotator_id = $1 AND o.state <> 'void'
                  AND NOT (o.state = 'leased' AND o.expires_at <= $7) OFFSET 0)
    AND NOT EXISTS (SELECT FROM annotation_exclusion x WHERE x.item_id = a.item_id
                    HAVING bool_or(x.annotator_id = $1)
                        OR count(*) FILTER (WHERE x.reason <> 'late') >= e.exclusion_limit)
"""

ELIGIBLE_ONCE_SWEPT = ELIGIBLE_POOLS.replace(
    "a.state = 'leased'))", "a.state = 'leased' AND a.expires_at > $7))"
)
LOOK_EXPIRED = Statement(
    "look_expired",
    PICK_TYPES,
    f"""
    SELECT 1 FROM ({ELIGIBLE_ONCE_SWEPT}) AS e CROSS JOIN LATERAL (
        (SELECT a.id FROM annotation_assignment a
         WHERE a.pool_id = e.pool_id AND a.state = 'open' AND {FITS_ONCE_SWEPT}
         ORDER BY a.position LIMIT 1)
        UNION ALL
        (SELECT a.id FROM annotation_assignment a
         WHERE a.state = 'leased' AND a.expires_at <= $7 AND a.pool_id = e.pool_id AND {FITS_ONCE_SWEPT}
         ORDER BY a.expires_at LIMIT 1)
    ) AS s
    LIMIT 1
    """,
)
"""Whether something fits once expired leases are swept; for pages, which change nothing. It looks from the top of each
pool, but only in the seconds before the sweep."""


def fitting(beyond_caps: str) -> str:
    """SQL: whether an open slot fits, caps minded or not. Slots that somebody has locked count: they may come free."""
    pools = ELIGIBLE_POOLS.replace("$5", beyond_caps)
    return f"""EXISTS (
        SELECT FROM ({pools}) AS e CROSS JOIN LATERAL (
            SELECT FROM annotation_assignment a
            WHERE a.pool_id = e.pool_id AND a.state = 'open' AND a.position > e.passed AND {FITS}
            ORDER BY a.position LIMIT 1) AS s)"""


WHY_NOTHING = Statement(
    "why_nothing",
    PICK_TYPES,
    f"""
    SELECT {fitting("false")}, {fitting("true")}, EXISTS (
        SELECT FROM annotation_batch b
        WHERE b.project_id = m.project_id AND b.state = 'open' AND b.purpose = 'work' AND ($2 IS NULL OR b.id = $2)
          AND (EXISTS (SELECT FROM annotation_pool p WHERE p.batch_id = b.id
                       AND (SELECT a.position FROM annotation_assignment a
                            WHERE a.pool_id = p.id AND a.state = 'open'
                            ORDER BY a.position LIMIT 1) IS NOT NULL OFFSET 0)
               OR EXISTS (SELECT FROM annotation_assignment a
                          WHERE a.batch_id = b.id AND a.state = 'leased' AND a.purpose = 'work'
                            AND a.expires_at > '-infinity'))),
        EXISTS (SELECT FROM annotation_assignment a JOIN annotation_batch b ON b.id = a.batch_id
                WHERE a.state = 'leased' AND a.expires_at <= $7 AND b.project_id = m.project_id)
    FROM annotation_membership m WHERE m.id = $1
    """,
)
"""Whether something fits, fits but for caps, is with others, and whether an expired lease may hide more."""

LEASE_AND_AUDIT = """
    lease AS (
        INSERT INTO annotation_lease (public_id, assignment_id, attempt, ordinal, annotator_id, submission_id,
                                      guideline_id, display_seed, display_order, leased_at)
        SELECT $4, slot.id, slot.attempt, $5, $1, $6, $7, $8, $9, $2 FROM slot
        RETURNING id
    ),
    audit AS (
        INSERT INTO annotation_auditevent (project_id, actor_id, action, object_type, object_id, data, created_at)
        SELECT m.project_id, m.user_id, 'assignment.leased', 'assignment', slot.id::text,
               jsonb_build_object('attempt', slot.attempt), $2
        FROM slot, annotation_membership m WHERE m.id = $1
    )
    SELECT slot.id, slot.attempt, lease.id FROM slot, lease
"""
LEASE_TYPES = [
    "bigint",  # annotator
    "timestamptz",  # now
    "timestamptz",  # expiry
    "bigint",  # public id
    "int",  # ordinal
    "uuid",  # submission id
    "bigint",  # guideline
    "bigint",  # seed
    "smallint[]",  # order of display
]

TAKE_OPEN = Statement(
    "take_open",
    [*LEASE_TYPES, "bigint"],
    f"""
    WITH slot AS (
        UPDATE annotation_assignment
        SET state = 'leased', annotator_id = $1, attempt = attempt + 1, expires_at = $3
        WHERE id = $10 RETURNING id, attempt
    ), {LEASE_AND_AUDIT}
    """,
)

TAKE_NEW = Statement(
    "take_new",
    [*LEASE_TYPES, "bigint", "bigint", "text", "bigint"],  # item, batch, purpose, repeated slot
    f"""
    WITH slot AS (
        INSERT INTO annotation_assignment
            (item_id, batch_id, number, purpose, state, annotator_id, attempt, expires_at, repeats_id, void_reason)
        VALUES ($10, $11, 1, $12, 'leased', $1, 1, $3, $13, '')
        RETURNING id, attempt
    ), {LEASE_AND_AUDIT}
    """,
)

SHOWN = Statement(
    "shown",
    ["bigint"],
    f"""
    SELECT b.protocol_id, i.id, i.prompt, i.language, {COMPLETIONS_JSON.format(item="i.id")}
    FROM annotation_item i JOIN annotation_batch b ON b.id = i.batch_id
    WHERE i.id = $1
    """,
)

POOLS_TO_MOVE = Statement(
    "pools_to_move",
    ["bigint", "bigint"],  # annotator, project
    """
    SELECT p.id FROM annotation_pool p
    JOIN annotation_batch b ON b.id = p.batch_id
    LEFT JOIN annotation_poolplace q ON q.pool_id = p.id AND q.annotator_id = $1
    WHERE b.project_id = $2 AND b.state = 'open' AND EXISTS (
        SELECT FROM annotation_assignment a
        WHERE a.pool_id = p.id AND a.state = 'open' AND a.position > coalesce(q.position, 0))
    ORDER BY p.id
    """,
)
# The pool's row is locked in the statement before: whoever opens a slot holds it until they commit, so that no
# slot with a lower position can appear once this one looks.
LOCK_POOL = Statement("lock_pool", ["bigint"], "SELECT FROM annotation_pool WHERE id = $1 FOR SHARE")
MOVE_PLACE = Statement(
    "move_place",
    ["bigint", "bigint"],  # annotator, pool
    f"""
    INSERT INTO annotation_poolplace (annotator_id, pool_id, position)
    SELECT $1, e.pool_id, coalesce(
        (SELECT a.position - 1 FROM annotation_assignment a
         WHERE a.pool_id = e.pool_id AND a.state = 'open' AND a.position > e.passed AND {FITS}
         ORDER BY a.position LIMIT 1),
        (SELECT a.position FROM annotation_assignment a
         WHERE a.pool_id = e.pool_id AND a.state = 'open' ORDER BY a.position DESC LIMIT 1),
        e.passed)
    FROM (SELECT p.id AS pool_id, coalesce(q.position, 0) AS passed, j.exclusion_limit
          FROM annotation_pool p
          JOIN annotation_batch b ON b.id = p.batch_id
          JOIN annotation_project j ON j.id = b.project_id
          LEFT JOIN annotation_poolplace q ON q.pool_id = p.id AND q.annotator_id = $1
          WHERE p.id = $2) AS e
    ON CONFLICT (annotator_id, pool_id) DO UPDATE SET position = excluded.position
    RETURNING position
    """,
)
