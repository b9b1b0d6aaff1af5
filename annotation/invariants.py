"""What must always hold (reliability.md), as one SQL report. Each query answers the rows that break it.

I10 (progress = recount) needs no query: no count is kept in a column. I13 (what never reaches an annotator) is
about bytes on their way out and not about rows: tests read every page and payload. A higher room registers what
it has to hold (I14).
"""

from collections.abc import Callable
from dataclasses import dataclass

from django.db import connection

from annotation.registry import Registry


@dataclass(frozen=True)
class Invariant:
    code: str
    meaning: str
    sql: str
    """Selects one text column; every row is one violation."""


@dataclass(frozen=True)
class Violation:
    code: str
    meaning: str
    detail: str


def immutable_tables(*names: str) -> str:
    """The query for I12: tables without an enabled trigger against both update and delete."""
    listed = ", ".join(f"'{name}'" for name in names)
    return f"""
        SELECT format('table %%s has no enabled trigger against change', name)
        FROM unnest(ARRAY[{listed}]) AS name
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_trigger t
            WHERE t.tgrelid = to_regclass(name) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
              AND t.tgtype & 16 <> 0 AND t.tgtype & 8 <> 0
        )
    """


_OURS = [
    Invariant(
        "I1",
        "the non-void work slots of an item are as many as its target overlap; submitted are not more",
        """
        SELECT format('item %%s: %%s slots, %%s submitted, target %%s', i.id, count(a.id),
                      count(a.id) FILTER (WHERE a.state = 'submitted'), i.target_overlap)
        FROM annotation_item i
        LEFT JOIN annotation_assignment a ON a.item_id = i.id AND a.purpose = 'work' AND a.state <> 'void'
        GROUP BY i.id
        HAVING count(a.id) <> i.target_overlap
        UNION ALL
        SELECT format('assignment %%s waits in a pool of batch %%s, its item is in %%s', a.id, p.batch_id, a.batch_id)
        FROM annotation_assignment a JOIN annotation_pool p ON p.id = a.pool_id
        WHERE p.batch_id <> a.batch_id
        """,
    ),
    Invariant(
        "I2",
        "at most one non-void slot per item, annotator and purpose",
        """
        SELECT format('item %%s, annotator %%s, %%s: %%s slots', item_id, annotator_id, purpose, count(*))
        FROM annotation_assignment
        WHERE annotator_id IS NOT NULL AND state <> 'void'
        GROUP BY item_id, annotator_id, purpose
        HAVING count(*) > 1
        """,
    ),
    Invariant(
        "I3",
        "one accepted root judgment per assignment, and chains of corrections that do not fork",
        """
        SELECT format('assignment %%s: %%s accepted root judgments', assignment_id, count(*))
        FROM annotation_judgment
        WHERE supersedes_id IS NULL AND state = 'accepted' AND assignment_id IS NOT NULL
        GROUP BY assignment_id
        HAVING count(*) > 1
        UNION ALL
        SELECT format('judgment %%s supersedes one of another slot or person', j.id)
        FROM annotation_judgment j JOIN annotation_judgment p ON p.id = j.supersedes_id
        WHERE p.assignment_id IS DISTINCT FROM j.assignment_id OR p.annotator_id <> j.annotator_id
        """,
    ),
    Invariant(
        "I4",
        "a slot is submitted exactly when it has an accepted root judgment",
        """
        SELECT format('assignment %%s is %%s with %%s accepted root judgments', a.id, a.state, count(j.id))
        FROM annotation_assignment a
        LEFT JOIN annotation_judgment j
          ON j.assignment_id = a.id AND j.supersedes_id IS NULL AND j.state = 'accepted'
        GROUP BY a.id
        HAVING (a.state = 'submitted' AND count(j.id) <> 1)
            OR (a.state IN ('open', 'leased') AND count(j.id) <> 0)
        """,
    ),
    Invariant(
        "I5",
        "an accepted judgment has the annotator and attempt of its slot",
        """
        SELECT format('judgment %%s: annotator %%s attempt %%s; assignment %%s: annotator %%s attempt %%s',
                      j.id, j.annotator_id, j.attempt, a.id, a.annotator_id, a.attempt)
        FROM annotation_judgment j JOIN annotation_assignment a ON a.id = j.assignment_id
        WHERE j.state = 'accepted'
          AND (a.annotator_id IS DISTINCT FROM j.annotator_id OR a.attempt <> j.attempt)
        """,
    ),
    Invariant(
        "I6",
        "every judgment of a slot has the receipt that acknowledged it, and every receipt its judgment",
        """
        SELECT format('judgment %%s has no receipt', j.id)
        FROM annotation_judgment j
        LEFT JOIN annotation_receipt r
          ON r.annotator_id = j.annotator_id AND r.submission_id = j.submission_id
        WHERE j.assignment_id IS NOT NULL
          AND (r.id IS NULL OR (r.answer->>'judgment')::bigint IS DISTINCT FROM j.id)
        UNION ALL
        SELECT format('receipt %%s names a judgment that is not there', r.id)
        FROM annotation_receipt r
        LEFT JOIN annotation_judgment j ON j.id = (r.answer->>'judgment')::bigint
        WHERE r.answer->>'judgment' IS NOT NULL AND j.id IS NULL
        """,
    ),
    Invariant(
        "I7",
        "a leased slot has annotator, attempt, expiry and its lease; none expired over a minute ago",
        """
        SELECT format('assignment %%s, attempt %%s, expires %%s', a.id, a.attempt, a.expires_at)
        FROM annotation_assignment a
        LEFT JOIN annotation_lease l
          ON l.assignment_id = a.id AND l.attempt = a.attempt AND l.annotator_id = a.annotator_id
        WHERE a.state = 'leased'
          AND (l.id IS NULL OR a.expires_at IS NULL OR a.expires_at < %(swept_before)s)
        """,
    ),
    Invariant(
        "I8",
        "the attempt numbers of a slot are 1, 2, …, as many as its leases; who is voided is excluded",
        """
        SELECT format('assignment %%s: attempt %%s, %%s leases, highest %%s',
                      a.id, a.attempt, count(l.id), coalesce(max(l.attempt), 0))
        FROM annotation_assignment a LEFT JOIN annotation_lease l ON l.assignment_id = a.id
        GROUP BY a.id
        HAVING a.attempt <> count(l.id) OR a.attempt <> coalesce(max(l.attempt), 0)
        UNION ALL
        SELECT format('assignment %%s is void, but annotator %%s is not excluded from its item', a.id, a.annotator_id)
        FROM annotation_assignment a
        LEFT JOIN annotation_exclusion x ON x.item_id = a.item_id AND x.annotator_id = a.annotator_id
        WHERE a.state = 'void' AND a.purpose = 'work' AND a.annotator_id IS NOT NULL AND x.id IS NULL
        """,
    ),
    Invariant(
        "I9",
        "a lease went to somebody who had agreed to the consent text of the time, was qualified and under the cap",
        # Ten seconds of grace: a text that is published while a lease is being written counts for the next one.
        """
        WITH first AS (
            SELECT l.* FROM annotation_lease l
            WHERE NOT EXISTS (SELECT FROM annotation_lease e
                              WHERE e.annotator_id = l.annotator_id AND e.submission_id = l.submission_id
                                AND e.ordinal < l.ordinal)  -- a late answer takes a slot without these questions
        )
        SELECT format('lease %%s: annotator %%s had not agreed to consent text %%s', l.id, l.annotator_id, t.number)
        FROM first l
        JOIN annotation_membership m ON m.id = l.annotator_id
        CROSS JOIN LATERAL (
            SELECT t.id, t.number FROM annotation_consenttext t
            WHERE t.project_id = m.project_id AND t.created_at <= l.leased_at - interval '10 seconds'
            ORDER BY t.number DESC LIMIT 1) AS t
        WHERE NOT EXISTS (
            SELECT FROM annotation_consent c JOIN annotation_consenttext g ON g.id = c.consent_text_id
            WHERE c.annotator_id = m.id AND g.project_id = m.project_id AND g.number >= t.number
              AND c.given_at <= l.leased_at)
        UNION ALL
        SELECT format('lease %%s: annotator %%s had not passed training batch %%s', l.id, l.annotator_id, b.id)
        FROM first l
        JOIN annotation_assignment a ON a.id = l.assignment_id AND a.purpose <> 'training'
        JOIN annotation_membership m ON m.id = l.annotator_id
        JOIN annotation_batch b ON b.project_id = m.project_id AND b.purpose = 'training'
          AND (b.closed_at IS NULL OR b.closed_at > l.leased_at)
        JOIN annotation_auditevent e ON e.object_type = 'batch' AND e.object_id = b.id::text
          AND e.action = 'batch.opened' AND e.created_at <= l.leased_at - interval '10 seconds'
        WHERE NOT EXISTS (SELECT FROM annotation_trainingtry y
                          WHERE y.batch_id = b.id AND y.annotator_id = m.id AND y.is_passed
                            AND y.finished_at <= l.leased_at)
        UNION ALL
        SELECT format('annotator %%s has %%s slots of batch %%s, whose cap is %%s',
                      a.annotator_id, count(*), b.id, b.cap_per_annotator)
        FROM annotation_batch b
        JOIN annotation_assignment a ON a.batch_id = b.id AND a.state IN ('leased', 'submitted')
        JOIN first l ON l.assignment_id = a.id AND l.attempt = a.attempt
        WHERE b.cap_per_annotator IS NOT NULL
        GROUP BY b.id, a.annotator_id
        HAVING count(*) > b.cap_per_annotator
        """,
    ),
    Invariant(
        "I11",
        "every lease, judgment and void has exactly one audit row, and so has every batch of imported judgments",
        """
        SELECT format('assignment %%s: attempt %%s, %%s audit rows of leases', a.id, a.attempt, count(e.id))
        FROM annotation_assignment a
        LEFT JOIN annotation_auditevent e
          ON e.object_type = 'assignment' AND e.object_id = a.id::text AND e.action = 'assignment.leased'
        GROUP BY a.id
        HAVING count(e.id) <> a.attempt
        UNION ALL
        SELECT format('judgment %%s: %%s audit rows', j.id, count(e.id))
        FROM annotation_judgment j
        LEFT JOIN annotation_auditevent e ON e.object_type = 'judgment' AND e.object_id = j.id::text
          AND e.action IN ('judgment.accepted', 'judgment.late', 'judgment.corrected')
        WHERE j.assignment_id IS NOT NULL
        GROUP BY j.id
        HAVING count(e.id) <> 1
        UNION ALL
        SELECT format('batch %%s of imported judgments: %%s audit rows', b.id, count(e.id))
        FROM annotation_batch b
        LEFT JOIN annotation_auditevent e ON e.object_type = 'batch' AND e.object_id = b.id::text
          AND e.action = 'batch.judgments_imported'
        WHERE EXISTS (SELECT FROM annotation_judgment j WHERE j.batch_id = b.id AND j.assignment_id IS NULL)
        GROUP BY b.id
        HAVING count(e.id) <> 1
        UNION ALL
        SELECT format('assignment %%s is void with %%s audit rows', a.id, count(e.id))
        FROM annotation_assignment a
        LEFT JOIN annotation_auditevent e
          ON e.object_type = 'assignment' AND e.object_id = a.id::text AND e.action = 'assignment.voided'
        WHERE a.state = 'void'
        GROUP BY a.id
        HAVING count(e.id) <> 1
        """,
    ),
    Invariant(
        "I12",
        "judgments, receipts, leases and origins carry an enabled trigger that forbids change",
        immutable_tables(
            "annotation_judgment", "annotation_receipt", "annotation_lease", "annotation_origin"
        ),
    ),
    Invariant(
        "I15",
        "the order stored with a judgment is the one that was shown, and shows every completion once",
        """
        SELECT format('judgment %%s shows %%s, its lease %%s', j.id, j.display_order, l.display_order)
        FROM annotation_judgment j
        LEFT JOIN annotation_lease l ON l.assignment_id = j.assignment_id AND l.attempt = j.attempt
        WHERE j.assignment_id IS NOT NULL AND l.display_order IS DISTINCT FROM j.display_order
        UNION ALL
        SELECT format('imported judgment %%s shows %%s', j.id, j.display_order)
        FROM annotation_judgment j
        WHERE j.assignment_id IS NULL
          AND (SELECT array_agg(shown ORDER BY shown) FROM unnest(j.display_order) AS shown)
              IS DISTINCT FROM
              (SELECT array_agg(c.position ORDER BY c.position)
               FROM annotation_completion c WHERE c.item_id = j.item_id)
        UNION ALL
        SELECT format('lease %%s shows %%s', l.id, l.display_order)
        FROM annotation_lease l JOIN annotation_assignment a ON a.id = l.assignment_id
        WHERE (SELECT array_agg(shown ORDER BY shown) FROM unnest(l.display_order) AS shown)
              IS DISTINCT FROM
              (SELECT array_agg(c.position ORDER BY c.position)
               FROM annotation_completion c WHERE c.item_id = a.item_id)
        """,
    ),
    Invariant(
        "I16",
        "imported judgments lie in closed batches of their own, where nobody is asked and nobody can sign in",
        """
        SELECT format('imported judgment %%s is in batch %%s', j.id, b.id)
        FROM annotation_judgment j JOIN annotation_batch b ON b.id = j.batch_id
        WHERE j.assignment_id IS NULL
          AND (b.source_format <> 'judgments' OR b.overlap <> 0 OR b.state <> 'closed')
        UNION ALL
        SELECT format('imported judgment %%s is of annotator %%s', j.id, m.id)
        FROM annotation_judgment j
        JOIN annotation_membership m ON m.id = j.annotator_id JOIN annotation_user u ON u.id = m.user_id
        WHERE j.assignment_id IS NULL AND (NOT m.is_imported OR u.is_active)
        UNION ALL
        SELECT format('assignment %%s is in batch %%s of imported judgments', a.id, b.id)
        FROM annotation_assignment a JOIN annotation_batch b ON b.id = a.batch_id
        WHERE b.source_format = 'judgments'
        """,
    ),
]


invariants: Registry[Invariant] = Registry("invariant")
for _one in _OURS:
    invariants.register(_one.code, _one)


def violations(
    swept_before: str = "-infinity", limit: int = 20, on_query: Callable[[], None] = lambda: None
) -> list[Violation]:
    """Every broken invariant, at most `limit` rows each; an empty list is what must always be.

    `swept_before`: leases that expired before this time (ISO 8601) should have been swept (I7). `on_query` is
    called after each query, for a caller that has to show signs of life.
    """
    found = []
    with connection.cursor() as cursor:
        for _, invariant in invariants:
            cursor.execute(f"{invariant.sql} LIMIT {int(limit)}", {"swept_before": swept_before})
            found += [Violation(invariant.code, invariant.meaning, row[0]) for row in cursor.fetchall()]
            on_query()
    return found
