"""The SQL of a submit. Who calls it, and why, stands in `annotation.services.judgments`."""

from annotation.selectors import COMPLETIONS_JSON, COMPLETIONS_WITHOUT_TEXT
from annotation.services.lease_sql import LEASE, SLOT
from annotation.statements import Statement


def find_slot(name: str, completions: str) -> Statement:
    return Statement(
        name,
        ["bigint", "bigint", "uuid"],  # slot, annotator, submission id
        f"""
        SELECT {SLOT.of("a")}, b.state, r.body_hash, r.answer,
               {completions.format(item="a.item_id")}, {LEASE.of("l")}
        FROM annotation_assignment a
        JOIN annotation_batch b ON b.id = a.batch_id
        LEFT JOIN annotation_receipt r ON r.annotator_id = $2 AND r.submission_id = $3
        LEFT JOIN LATERAL (
            SELECT * FROM annotation_lease l
            WHERE l.assignment_id = a.id AND l.annotator_id = $2 AND l.submission_id = $3
            ORDER BY l.attempt LIMIT 1
        ) AS l ON true
        WHERE a.id = $1
        FOR NO KEY UPDATE OF a
        """,
    )


FIND_SLOT = find_slot("find_slot", COMPLETIONS_WITHOUT_TEXT)
FIND_SLOT_AND_TEXT = find_slot("find_slot_and_text", COMPLETIONS_JSON)

STORE_JUDGMENT = Statement(
    "store_judgment",
    [
        "bigint",  # slot
        "bigint",  # annotator
        "timestamptz",  # now
        "int",  # attempt
        "uuid",  # submission id
        "text",  # state
        "bigint",  # superseded judgment
        "bigint",  # guideline
        "bigint",  # protocol
        "smallint[]",  # order of display
        "float8",  # active seconds
        "smallint",  # confidence
        "text",  # note
        "text[]",  # labels read to the end
        "text",  # audit action
        "bytea",  # body hash
        "jsonb",  # what else the acknowledgement holds
        "bool",  # whether the slot becomes submitted
    ],
    """
    WITH judgment AS (
        INSERT INTO annotation_judgment
            (assignment_id, item_id, batch_id, annotator_id, guideline_id, protocol_id, attempt, submission_id,
             state, supersedes_id, display_order, active_seconds, confidence, note, read_to_end, created_at)
        SELECT a.id, a.item_id, a.batch_id, $2, $8, $9, $4, $5, $6, $7, $10, $11, $12, $13, $14, $3
        FROM annotation_assignment a WHERE a.id = $1
        RETURNING id
    ),
    slot AS (
        UPDATE annotation_assignment SET state = 'submitted', submitted_at = $3, expires_at = NULL
        WHERE id = $1 AND $18
    ),
    audit AS (
        INSERT INTO annotation_auditevent (project_id, actor_id, action, object_type, object_id, data, created_at)
        SELECT m.project_id, m.user_id, $15, 'judgment', j.id::text,
               jsonb_strip_nulls(jsonb_build_object('assignment', $1, 'attempt', $4, 'supersedes', $7)), $3
        FROM judgment j, annotation_membership m WHERE m.id = $2
    ),
    receipt AS (
        INSERT INTO annotation_receipt (annotator_id, submission_id, body_hash, answer, created_at)
        SELECT $2, $5, $16, jsonb_build_object('judgment', j.id, 'submission_id', $5::text, 'state', $6) || $17, $3
        FROM judgment j
    )
    SELECT id FROM judgment
    """,
)
