"""What was acknowledged against what the database holds. Reads tables, never the code under test."""

import json
from dataclasses import dataclass
from pathlib import Path

import psycopg


@dataclass(frozen=True)
class Findings:
    """Of one batch. All but `acknowledged` must be 0."""

    acknowledged: int
    lost: int
    """Acknowledged submissions with no judgment, or with another one than was answered."""
    doubled: int
    """Judgments beyond the first of one submission, or of one person on one item."""
    surplus: int
    """Accepted judgments of an item beyond its overlap."""

    @property
    def is_clean(self) -> bool:
        return (self.lost, self.doubled, self.surplus) == (0, 0, 0)


LOST = """
    SELECT a.submission_id, a.judgment FROM acknowledged a
    LEFT JOIN annotation_judgment j ON j.submission_id = a.submission_id AND j.id = a.judgment
    WHERE j.id IS NULL
"""
ROOTS = """
    SELECT j.* FROM annotation_judgment j
    JOIN annotation_batch b ON b.id = j.batch_id
    JOIN annotation_project p ON p.id = b.project_id
    WHERE p.slug = %s AND b.number = %s AND j.supersedes_id IS NULL
"""
DOUBLED = f"""
    SELECT coalesce(sum(n - 1), 0) FROM (
        SELECT count(*) AS n FROM ({ROOTS}) AS j GROUP BY j.annotator_id, j.item_id HAVING count(*) > 1
    ) AS t
"""
SURPLUS = f"""
    SELECT coalesce(sum(n - target), 0) FROM (
        SELECT count(*) AS n, i.target_overlap AS target FROM ({ROOTS}) AS j
        JOIN annotation_item i ON i.id = j.item_id
        WHERE j.state = 'accepted' GROUP BY i.id HAVING count(*) > i.target_overlap
    ) AS t
"""


def compare(database_url: str, log: Path, *, project: str, batch: int = 1) -> Findings:
    """Hold the acknowledged log of a load against the database at `database_url`."""
    lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    answers = [json.loads(line["answer"]) for line in lines]
    with psycopg.connect(database_url) as session:
        session.execute("CREATE TEMPORARY TABLE acknowledged (submission_id uuid, judgment bigint)")
        with session.cursor().copy("COPY acknowledged FROM STDIN") as rows:
            for answer in answers:
                rows.write_row((answer["submission_id"], answer["judgment"]))
        lost = session.execute(LOST).fetchall()
        doubled = session.execute(DOUBLED, [project, batch]).fetchone()
        surplus = session.execute(SURPLUS, [project, batch]).fetchone()
        session.rollback()
    assert doubled is not None and surplus is not None
    return Findings(len(lines), len(lost), int(doubled[0]), int(surplus[0]))


CLAIMS = """
    SELECT count(*), count(*) - count(DISTINCT l.assignment_id) FROM annotation_lease l
    JOIN annotation_assignment a ON a.id = l.assignment_id
    JOIN annotation_batch b ON b.id = a.batch_id
    JOIN annotation_project p ON p.id = b.project_id
    WHERE p.slug = %s AND b.number = %s
"""


def claims(database_url: str, *, project: str, batch: int = 1) -> tuple[int, int]:
    """(leases given, those beyond the first of a slot). Where no lease ends, the second must be 0."""
    with psycopg.connect(database_url) as session:
        row = session.execute(CLAIMS, [project, batch]).fetchone()
    assert row is not None
    return int(row[0]), int(row[1])


ELIGIBLE = """
    SELECT a.id, a.attempt FROM annotation_assignment a
    JOIN annotation_batch b ON b.id = a.batch_id
    JOIN annotation_project p ON p.id = b.project_id
    JOIN annotation_apitoken t ON t.digest = sha256(%(token)s::bytea)
    JOIN annotation_membership m ON m.project_id = p.id AND m.user_id = t.user_id AND m.role = 'annotator'
    WHERE p.slug = %(project)s AND b.number = %(batch)s AND a.purpose = 'work'
      AND (a.state = 'open' OR (a.state = 'leased' AND a.expires_at < clock_timestamp()))
      AND NOT EXISTS (SELECT 1 FROM annotation_assignment o
                      WHERE o.item_id = a.item_id AND o.annotator_id = m.id AND o.state <> 'void')
      AND NOT EXISTS (SELECT 1 FROM annotation_exclusion x
                      WHERE x.item_id = a.item_id AND x.annotator_id = m.id)
"""


def eligible(database_url: str, *, token: str, project: str, batch: int = 1) -> set[tuple[int, int]]:
    """(slot, attempt) of what the owner of `token` might be given now: open slots, and those of leases that ran out."""
    values = {"token": token.encode(), "project": project, "batch": batch}
    with psycopg.connect(database_url) as session:
        return set(session.execute(ELIGIBLE, values).fetchall())
