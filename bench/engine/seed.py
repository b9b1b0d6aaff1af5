"""A batch of any size straight into the tables, and judgments of one person over it. For measuring only.

This is the one place of the benchmark that knows the columns: when a migration changes them, change it here.
Rows go in by SQL with every check, unique key and trigger on, foreign keys are checked at the end, and all of it
passes `check_invariants`: a judged slot has its lease,
judgment, pairwise answer, receipt and two audit rows, sealed into the chain. Left out are the audit rows of the
import itself, and the file: the hashes of file and submissions are of no bytes that anybody sent.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg

TABLES = [
    "annotation_item",
    "annotation_completion",
    "annotation_pool",
    "annotation_poolplace",
    "annotation_assignment",
    "annotation_lease",
    "annotation_judgment",
    "annotation_receipt",
    "annotation_auditevent",
    "comparisons_pairwiseanswer",
]
FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
    FROM pg_constraint WHERE contype = 'f' AND conrelid = ANY(%(tables)s::regclass[])
"""

BATCH = """
    INSERT INTO annotation_batch (
        project_id, number, name, purpose, protocol_id, state, priority, overlap, overlap_policy, skill, pass_share,
        lease_seconds, gold_share, repeat_share, pay_currency, source_format, source_name, source_sha256, created_at,
        created_by_id)
    SELECT p.id, 1, 'seeded', 'work', v.id, 'open', 0, %(overlap)s, '', '', 0.8,
           1800, 0, 0, '', 'jsonl', '', encode(sha256(p.slug::bytea), 'hex'), %(now)s, p.created_by_id
    FROM annotation_project p JOIN annotation_protocolversion v ON v.project_id = p.id
    WHERE p.slug = %(slug)s
    RETURNING id
"""
POOL = """
    INSERT INTO annotation_pool (batch_id, language, category, priority) VALUES (%(batch)s, 'en', '', 0)
"""
ITEMS = """
    INSERT INTO annotation_item (
        batch_id, project_id, number, external_id, prompt, prompt_hash, content_hash, language, category,
        metadata, target_overlap)
    SELECT b.id, b.project_id, n, 'row-' || n,
           jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Prompt ' || n)),
           encode(sha256(('prompt ' || n)::bytea), 'hex'), encode(sha256(('item ' || n)::bytea), 'hex'),
           'en', '', '{}', b.overlap
    FROM annotation_batch b, generate_series(1, %(items)s) AS n
    WHERE b.id = %(batch)s
    ORDER BY n
"""
COMPLETIONS = """
    INSERT INTO annotation_completion (item_id, position, messages, model, settings, content_hash, source_line)
    SELECT i.id, c, jsonb_build_array(jsonb_build_object('role', 'assistant', 'content', c || ' to ' || i.number)),
           'm' || c, '{}', encode(sha256((c || ' to ' || i.number)::bytea), 'hex'), i.number
    FROM annotation_item i, generate_series(0, 1) AS c
    WHERE i.batch_id = %(batch)s
    ORDER BY i.number, c
"""
SLOTS = """
    INSERT INTO annotation_assignment (item_id, batch_id, pool_id, number, purpose, state, attempt, void_reason)
    SELECT i.id, i.batch_id, p.id, slot, 'work', 'open', 0, ''
    FROM annotation_pool p JOIN annotation_item i ON i.batch_id = p.batch_id,
         generate_series(1, i.target_overlap) AS slot
    WHERE p.batch_id = %(batch)s
    ORDER BY i.number, slot
"""

# One open slot of each of the first items that the person has no slot of.
TAKEN = """
    CREATE TEMP TABLE taken AS
    SELECT t.*, gen_random_uuid() AS submission_id, %(ordinal)s + row_number() OVER () AS ordinal,
           CASE t.item_id %% 2 WHEN 0 THEN ARRAY[0, 1]::smallint[] ELSE ARRAY[1, 0]::smallint[] END AS display_order,
           nextval(pg_get_serial_sequence('annotation_judgment', 'id')) AS judgment_id
    FROM (
        SELECT DISTINCT ON (i.number) a.id AS assignment_id, a.item_id, a.pool_id, a.position, a.attempt + 1 AS attempt
        FROM annotation_item i JOIN annotation_assignment a ON a.item_id = i.id AND a.state = 'open'
        WHERE i.batch_id = %(batch)s
          AND NOT EXISTS (SELECT 1 FROM annotation_assignment m
                          WHERE m.item_id = i.id AND m.annotator_id = %(annotator)s)
        ORDER BY i.number, a.number
        LIMIT %(items)s
    ) AS t
"""
SUBMITTED = """
    UPDATE annotation_assignment a
    SET state = 'submitted', annotator_id = %(annotator)s, attempt = t.attempt, submitted_at = %(now)s
    FROM taken t WHERE t.assignment_id = a.id
"""
LEASES = """
    INSERT INTO annotation_lease (
        public_id, ordinal, assignment_id, attempt, annotator_id, submission_id, guideline_id, display_seed,
        display_order, leased_at)
    SELECT 1 + floor(random() * (2::float8 ^ 53 - 1))::bigint, ordinal, assignment_id, attempt, %(annotator)s,
           submission_id, %(guideline)s, item_id, display_order, %(now)s
    FROM taken
"""
JUDGMENTS = """
    INSERT INTO annotation_judgment (
        id, assignment_id, item_id, batch_id, annotator_id, guideline_id, protocol_id, attempt, submission_id,
        state, display_order, active_seconds, note, read_to_end, created_at)
    SELECT judgment_id, assignment_id, item_id, %(batch)s, %(annotator)s, %(guideline)s, %(protocol)s, attempt,
           submission_id, 'accepted', display_order, 20.5, '', '{A,B}', %(now)s
    FROM taken
"""
ANSWERS = """
    INSERT INTO comparisons_pairwiseanswer (judgment_id, criterion_id, preference, tie_reason)
    SELECT judgment_id, %(criterion)s, item_id %% 3 + 1, '' FROM taken
"""
RECEIPTS = """
    INSERT INTO annotation_receipt (annotator_id, submission_id, body_hash, answer, created_at)
    SELECT %(annotator)s, submission_id, sha256(submission_id::text::bytea),
           jsonb_build_object('judgment', judgment_id, 'submission_id', submission_id, 'state', 'accepted'), %(now)s
    FROM taken
"""
# Where the submits would have left this person in the pool.
PLACE = """
    INSERT INTO annotation_poolplace (annotator_id, pool_id, position)
    SELECT %(annotator)s, pool_id, max(position) FROM taken GROUP BY pool_id
    ON CONFLICT (annotator_id, pool_id) DO UPDATE
    SET position = greatest(excluded.position, annotation_poolplace.position)
"""
PERSON = """
    SELECT m.id AS annotator, m.user_id AS user, b.project_id AS project, b.id AS batch, b.protocol_id AS protocol,
           (SELECT id FROM annotation_guidelineversion g WHERE g.project_id = b.project_id
            ORDER BY number DESC LIMIT 1) AS guideline,
           (SELECT coalesce(max(l.ordinal), 0) FROM annotation_lease l WHERE l.annotator_id = m.id) AS ordinal,
           (SELECT id FROM annotation_criterion c WHERE c.protocol_id = b.protocol_id AND c.key = 'overall')
           AS criterion
    FROM annotation_batch b
    JOIN annotation_membership m ON m.project_id = b.project_id AND m.role = 'annotator'
    JOIN annotation_user u ON u.id = m.user_id
    WHERE b.id = %(batch)s AND u.email = %(email)s
"""
AUDIT = """
    COPY annotation_auditevent (
        id, project_id, actor_id, action, object_type, object_id, data, created_at, chain_position, chain_hash)
    FROM STDIN
"""
AUDIT_IDS = "pg_get_serial_sequence('annotation_auditevent', 'id')"


@dataclass(frozen=True)
class Person:
    """The ids that judgments of one annotator in one batch carry."""

    annotator: int
    user: int
    project: int
    batch: int
    protocol: int
    guideline: int
    criterion: int
    ordinal: int
    """Of their last lease."""


def seed_batch(url: str, *, slug: str, items: int, overlap: int) -> int:
    """An open batch of `items` items with two short completions each in an empty project; answers its id.

    `url` is the owner's: the tables are vacuumed and analysed at the end.
    """
    now = datetime.now(UTC)
    with psycopg.connect(url, autocommit=True) as connection:
        row = connection.execute(BATCH, {"slug": slug, "overlap": overlap, "now": now}).fetchone()
        if row is None:
            raise SystemExit(f"there is no project {slug}")
        values = {"batch": row[0], "items": items}
        with checked_at_the_end(connection):
            for statement in (POOL, ITEMS, COMPLETIONS, SLOTS):
                connection.execute(statement, values)
        connection.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
    return int(row[0])


@contextmanager
def checked_at_the_end(connection: psycopg.Connection[Any]) -> Iterator[None]:
    """Foreign keys are off in here and checked for all rows together afterwards, as a restore does it.

    Row by row they are two thirds of the time. Nobody else may write meanwhile.
    """
    keys = connection.execute(FOREIGN_KEYS, {"tables": TABLES}).fetchall()
    for table, name, _ in keys:
        connection.execute(f'ALTER TABLE {table} DROP CONSTRAINT "{name}"')
    yield
    for table, name, definition in keys:
        connection.execute(f'ALTER TABLE {table} ADD CONSTRAINT "{name}" {definition}')


def seed_judgments(url: str, *, batch: int, email: str, items: int) -> int:
    """Let `email` have judged the first `items` items that they have no slot of; answers how many there were.

    Needs Django's settings in force, for the digest of the audit chain. The work of months arrives at once
    here, so the tables are vacuumed as they would have been on the way.
    """
    now = datetime.now(UTC)
    with psycopg.connect(url, autocommit=True) as connection:
        person = person_in(connection, batch, email)
        values: dict[str, Any] = vars(person) | {"now": now, "items": items}
        with checked_at_the_end(connection):
            for statement in (TAKEN, SUBMITTED, LEASES, JUDGMENTS, ANSWERS, RECEIPTS, PLACE):
                connection.execute(statement, values)
            judged = seed_audit(connection, person, now)
        connection.execute("DROP TABLE taken")
        connection.execute(f"VACUUM (ANALYZE) {', '.join(TABLES)}")
    return judged


def person_in(connection: psycopg.Connection[Any], batch: int, email: str) -> Person:
    cursor = connection.execute(PERSON, {"batch": batch, "email": email})
    row = cursor.fetchone()
    if row is None or cursor.description is None:
        raise SystemExit(f"{email} is no annotator of batch {batch}")
    return Person(**{column.name: value for column, value in zip(cursor.description, row, strict=True)})


def seed_audit(connection: psycopg.Connection[Any], person: Person, now: datetime) -> int:
    """The audit rows of what was taken, already sealed: a sealer that is a million rows behind measures nothing.

    The instance's own sealer is kept out by its lock until the chain has its new end.
    """
    from annotation.audit import SEALER_LOCK

    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", [SEALER_LOCK])
        taken = cursor.execute("SELECT assignment_id, attempt, judgment_id FROM taken").fetchall()
        reserve = f"SELECT setval({AUDIT_IDS}, nextval({AUDIT_IDS}) + %s) - %s"
        first_id = cursor.execute(reserve, [2 * len(taken), 2 * len(taken)]).fetchone()
        last = cursor.execute(
            "SELECT chain_position, chain_hash FROM annotation_auditevent"
            " WHERE chain_position IS NOT NULL ORDER BY chain_position DESC LIMIT 1"
        ).fetchone()
        assert first_id is not None
        with cursor.copy(AUDIT) as copy:
            for row in audit_rows(taken, person, now, first_id[0], last):
                copy.write_row(row)
    return len(taken)


def audit_rows(
    taken: list[tuple[int, int, int]],
    person: Person,
    now: datetime,
    first_id: int,
    last: tuple[int, bytes] | None,
) -> Iterator[tuple[Any, ...]]:
    """Two rows for each slot, a lease and a judgment, chained to `last` (position, hash)."""
    from annotation.audit import GENESIS, event_digest
    from annotation.models import AuditEvent

    position, digest = last or (0, GENESIS)
    event = AuditEvent(project_id=person.project, actor_id=person.user, created_at=now)
    event.pk = first_id
    for slot, attempt, judgment in taken:
        for action, kind, number, data in (
            ("assignment.leased", "assignment", slot, {"attempt": attempt}),
            ("judgment.accepted", "judgment", judgment, {"assignment": slot, "attempt": attempt}),
        ):
            event.pk += 1
            event.action, event.object_type, event.object_id, event.data = action, kind, str(number), data
            position, digest = position + 1, event_digest(digest, event)
            yield (
                event.pk,
                person.project,
                person.user,
                action,
                kind,
                event.object_id,
                json.dumps(data),
                now,
                position,
                digest,
            )
