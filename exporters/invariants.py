"""What must always hold of releases, for the report of `check_invariants`."""

from annotation.invariants import Invariant

RELEASED_ROWS = Invariant(
    "I14",
    "a released row rests on accepted judgments of its own item, of work slots or imported, and on nothing else",
    # A judgment that was voided after the cut stays in the release that had it.
    """
    SELECT format('release %%s, row %%s: judgment %%s is %%s', r.release_id, r.number, used.id,
                  coalesce(j.state || ', ' || coalesce(a.purpose, 'imported') || ', item ' || j.item_id, 'not there'))
    FROM exporters_releaserow r
    CROSS JOIN LATERAL unnest(r.judgment_ids) AS used (id)
    LEFT JOIN annotation_judgment j ON j.id = used.id
    LEFT JOIN annotation_assignment a ON a.id = j.assignment_id
    WHERE j.id IS NULL OR j.state <> 'accepted' OR a.purpose <> 'work' OR j.item_id <> r.item_id
    """,
)
