"""What must always hold (reliability.md), as one SQL report. Each query answers the rows that break it."""

from dataclasses import dataclass

from django.db import connection


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


INVARIANTS = [
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
        WHERE supersedes_id IS NULL AND state = 'accepted'
        GROUP BY assignment_id
        HAVING count(*) > 1
        UNION ALL
        SELECT format('judgment %%s supersedes one of another slot or person', j.id)
        FROM annotation_judgment j JOIN annotation_judgment p ON p.id = j.supersedes_id
        WHERE p.assignment_id <> j.assignment_id OR p.annotator_id <> j.annotator_id
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
        "every judgment has the receipt that acknowledged it, and every receipt its judgment",
        """
        SELECT format('judgment %%s has no receipt', j.id)
        FROM annotation_judgment j
        LEFT JOIN annotation_receipt r
          ON r.annotator_id = j.annotator_id AND r.submission_id = j.submission_id
        WHERE r.id IS NULL OR (r.answer->>'judgment')::bigint IS DISTINCT FROM j.id
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
        WHERE a.state = 'void' AND a.annotator_id IS NOT NULL AND x.id IS NULL
        """,
    ),
    Invariant(
        "I11",
        "every lease, judgment and void has exactly one audit row",
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
        GROUP BY j.id
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
        "judgments, receipts, leases and answers carry an enabled trigger that forbids change",
        """
        SELECT format('table %%s has no enabled trigger against change', name)
        FROM unnest(ARRAY['annotation_judgment', 'annotation_receipt', 'annotation_lease',
                          'comparisons_pairwiseanswer', 'comparisons_rankinganswer',
                          'comparisons_ratinganswer', 'comparisons_spanmark']) AS name
        WHERE NOT EXISTS (
            SELECT 1 FROM pg_trigger t
            WHERE t.tgrelid = to_regclass(name) AND NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')
              AND t.tgtype & 16 <> 0 AND t.tgtype & 8 <> 0
        )
        """,
    ),
    Invariant(
        "I15",
        "the order stored with a judgment is the one that was shown, and shows every completion once",
        """
        SELECT format('judgment %%s shows %%s, its lease %%s', j.id, j.display_order, l.display_order)
        FROM annotation_judgment j
        LEFT JOIN annotation_lease l ON l.assignment_id = j.assignment_id AND l.attempt = j.attempt
        WHERE l.display_order IS DISTINCT FROM j.display_order
        UNION ALL
        SELECT format('lease %%s shows %%s', l.id, l.display_order)
        FROM annotation_lease l JOIN annotation_assignment a ON a.id = l.assignment_id
        WHERE (SELECT array_agg(shown ORDER BY shown) FROM unnest(l.display_order) AS shown)
              IS DISTINCT FROM
              (SELECT array_agg(c.position ORDER BY c.position)
               FROM annotation_completion c WHERE c.item_id = a.item_id)
        """,
    ),
]


def violations(swept_before: str = "-infinity", limit: int = 20) -> list[Violation]:
    """Every broken invariant, at most `limit` rows each; an empty list is what must always be.

    `swept_before`: leases that expired before this time (ISO 8601) should have been swept (I7).
    """
    found = []
    with connection.cursor() as cursor:
        for invariant in INVARIANTS:
            cursor.execute(f"{invariant.sql} LIMIT {int(limit)}", {"swept_before": swept_before})
            found += [Violation(invariant.code, invariant.meaning, row[0]) for row in cursor.fetchall()]
    return found
