"""How long every figure of a project takes, and how much memory, on one core, from the judgments in PostgreSQL.

    python bench/nightly.py [--judgments 1000000] [--people 100] [--overlap 3]

Starts a throw-away PostgreSQL, fills one project by SQL and runs `compute_statistics` on it in a process of its own.
Texts are made of words drawn with the frequencies of a language (Zipf), some with markup; hardly two are alike. There
are eight models, twenty batches, five languages and four groups of people. Every fiftieth judgment is of a gold item.
Leases, receipts and audit rows are left out: no figure reads them. Seconds are of the wall, those of CPU are of the
process and its PostgreSQL backend (on a busy machine only they say something), and the peak is what Linux counted of
the process.
"""

import argparse
import os
import random
import secrets
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

WANTED_SECONDS, WANTED_MIB = 60, 2048
TEXTS, TEXT_CHARACTERS = 4_000, 4_000
MEDIAN_CHARACTERS, SPREAD = 1_000, 0.6
"""Of the log-normal lengths of completions."""
BATCHES, GOLD_EVERY = 20, 50
GROUPS = ("medicine", "law", "code", "arabic")

FILL = """
CREATE TEMP TABLE given ON COMMIT DROP AS
    SELECT p.id AS project, v.id AS protocol, c.id AS criterion, g.id AS guideline, p.created_by_id AS lead,
           (SELECT array_agg(m.id ORDER BY m.id) FROM annotation_membership m
            WHERE m.project_id = p.id AND m.role = 'annotator') AS people
    FROM annotation_project p JOIN annotation_protocolversion v ON v.project_id = p.id
    JOIN annotation_criterion c ON c.protocol_id = v.id JOIN annotation_guidelineversion g ON g.project_id = p.id;

INSERT INTO annotation_batch (
    project_id, number, name, purpose, protocol_id, state, priority, overlap, overlap_policy, skill, pass_share,
    lease_seconds, gold_share, repeat_share, pay_currency, source_format, source_name, source_sha256, created_at,
    created_by_id)
SELECT project, b, 'seeded', 'work', protocol, 'open', 0, %(overlap)s, '', '', 0.8, 1800, 0, 0, '', 'jsonl', '',
       encode(sha256(b::text::bytea), 'hex'), %(now)s, lead
FROM given, generate_series(1, %(batches)s) AS b ORDER BY b;

INSERT INTO annotation_pool (batch_id, language, category, priority) SELECT id, '', '', 0 FROM annotation_batch;

INSERT INTO annotation_item (
    batch_id, project_id, number, external_id, prompt, prompt_hash, content_hash, language, category, metadata,
    target_overlap)
SELECT b.id, b.project_id, n, 'row-' || n,
       jsonb_build_array(jsonb_build_object('role', 'user', 'content', 'Prompt ' || n)),
       encode(sha256(('prompt ' || n)::bytea), 'hex'), encode(sha256(('item ' || n)::bytea), 'hex'),
       (ARRAY['en', 'de', 'fr', 'ar', 'hi'])[1 + n %% 5], '', '{}',
       CASE WHEN n <= %(items)s THEN %(overlap)s ELSE 0 END
FROM generate_series(1, %(items)s + %(golds)s) AS n
JOIN annotation_batch b ON b.number = 1 + n %% %(batches)s ORDER BY n;

ANALYZE annotation_item;

INSERT INTO annotation_completion (item_id, position, messages, model, settings, content_hash, source_line)
SELECT i.id, c, jsonb_build_array(jsonb_build_object('role', 'assistant', 'content', substr(
           t.text, 1 + (hashint8(i.id * 2 + c) & 511),
           (%(median)s * exp(%(spread)s * sqrt(-2 * ln(1 - random())) * cos(6.283185 * random())))::int + 20))),
       'model-' || ((i.number + c * (1 + i.number / 8 %% 7)) %% 8), '{}',
       encode(sha256((i.id || ' ' || c)::bytea), 'hex'), i.number
FROM annotation_item i CROSS JOIN generate_series(0, 1) AS c
JOIN texts t ON t.id = (hashint8(i.id * 31 + c) & 2147483647) %% %(texts)s
ORDER BY i.id, c;

ANALYZE annotation_item, annotation_completion;

CREATE TEMP TABLE slots ON COMMIT DROP AS
    SELECT i.id AS item_id, i.batch_id, i.number AS item, s AS number, i.target_overlap = 0 AS is_gold,
           people[1 + ((hashint8(i.number) & 1048575) + (s - 1) * CASE i.target_overlap WHEN 0 THEN 1 ELSE
                  1 + (hashint8(i.number * 7) & 1048575) %% (cardinality(people) / %(overlap)s) END)
                  %% cardinality(people)] AS annotator
    FROM given, annotation_item i
    JOIN LATERAL generate_series(1, CASE i.target_overlap WHEN 0 THEN 20 ELSE %(overlap)s END) AS s ON true;

INSERT INTO annotation_assignment (
    item_id, batch_id, pool_id, number, purpose, state, attempt, void_reason, annotator_id, submitted_at)
SELECT s.item_id, s.batch_id, CASE WHEN is_gold THEN NULL ELSE p.id END, s.number,
       CASE WHEN is_gold THEN 'gold' ELSE 'work' END, 'submitted', 1, '', s.annotator, %(now)s
FROM slots s JOIN annotation_pool p ON p.batch_id = s.batch_id
ORDER BY hashint8(s.item), s.number;

INSERT INTO annotation_judgment (
    assignment_id, item_id, batch_id, annotator_id, guideline_id, protocol_id, attempt, submission_id, state,
    display_order, active_seconds, note, read_to_end, created_at)
SELECT a.id, a.item_id, a.batch_id, a.annotator_id, guideline, protocol, 1, gen_random_uuid(), 'accepted',
       CASE WHEN random() < 0.5 THEN ARRAY[0, 1]::smallint[] ELSE ARRAY[1, 0]::smallint[] END,
       10 + 60 * random(), '', '{A,B}', %(now)s
FROM given, annotation_assignment a ORDER BY a.id;

ANALYZE annotation_assignment, annotation_judgment;

-- What an item is worth of itself, its two models, and what each person sees differently.
INSERT INTO comparisons_pairwiseanswer (judgment_id, criterion_id, preference, tie_reason)
SELECT j.id, criterion, greatest(-3, least(3, round(
           2.0 * (hashint8(i.number * 17) & 1023) / 1023 - 1.0
           + 0.3 * (right(two.model, 1)::int - right(one.model, 1)::int)
           + 4.0 * (random() + random() + random() - 1.5)))), ''
FROM given, annotation_judgment j JOIN annotation_item i ON i.id = j.item_id
JOIN annotation_completion one ON one.item_id = i.id AND one.position = 0
JOIN annotation_completion two ON two.item_id = i.id AND two.position = 1
ORDER BY j.id;

INSERT INTO annotation_goldanswer (item_id, criterion_id, preference, tolerance, why)
SELECT i.id, criterion, 1, 1, '' FROM given, annotation_item i WHERE i.target_overlap = 0;
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure every figure of one project.")
    parser.add_argument("--judgments", type=int, default=1_000_000)
    parser.add_argument("--people", type=int, default=100)
    parser.add_argument("--overlap", type=int, default=3)
    parser.add_argument("--compute", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.compute:
        compute()
        return
    from annotation.runtime import postgres

    cluster = postgres.throw_away_cluster()
    try:
        prepare(cluster)
        start = time.perf_counter()
        seed(cluster.url(postgres.SUPERUSER, cluster.password, os.environ["CONCORD_DATABASE"]), given)
        print(f"seeded in {time.perf_counter() - start:.0f} s", flush=True)
        sys.exit(subprocess.run([sys.executable, __file__, "--compute"], check=False).returncode)
    finally:
        postgres.discard(cluster)


def prepare(cluster: Any) -> None:
    """An empty database with our tables; this process and its children use it from here on."""
    from annotation.runtime import roles

    cluster.start()
    password = secrets.token_urlsafe(24)
    roles.create_roles(cluster.superuser_url, owner_password=password, application_password=password)
    os.environ |= {
        "DATABASE_URL": cluster.url(roles.OWNER, password, roles.DATABASE),
        "CONCORD_DATABASE": roles.DATABASE,
        "DJANGO_SETTINGS_MODULE": "tests.settings",
        "SECRET_KEY": secrets.token_urlsafe(48),
        "VAR": str(cluster.home / "var"),
        "PGOPTIONS": "-c max_parallel_workers_per_gather=0",
    } | dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def seed(url: str, given: argparse.Namespace) -> None:
    import django

    django.setup()
    from django.core.management import call_command

    from annotation.models import Membership
    from annotation.services.people import add_member, create_user
    from annotation.services.projects import create_project

    now = datetime.now(UTC)
    call_command("migrate", verbosity=0)
    lead, _ = create_user(email="lead@bench.invalid", now=now, can_create_projects=True)
    protocol = {"kind": "pairwise", "points": 7, "overlap": given.overlap}
    project = create_project(actor=lead, now=now, slug="nightly", name="Nightly", protocol=protocol, seed=1)
    for number in range(given.people):
        person, _ = add_member(
            project=project, actor=lead, email=f"person{number}@bench.invalid", role="annotator", now=now
        )
        skills = [GROUPS[number % len(GROUPS)]]
        Membership.objects.filter(pk=person.pk).update(skills=skills)
    golds = given.judgments // GOLD_EVERY // 20
    values = {
        "overlap": given.overlap, "now": now, "batches": BATCHES, "golds": golds, "texts": TEXTS,
        "items": (given.judgments - 20 * golds) // given.overlap, "median": MEDIAN_CHARACTERS, "spread": SPREAD,
    }  # fmt: skip
    with psycopg.connect(url, cursor_factory=psycopg.ClientCursor) as connection:
        # The rows are made to fit together; what Django would check row by row is most of the time.
        connection.execute("SET session_replication_role = replica")
        connection.execute("SELECT setseed(0.5)")
        connection.execute("CREATE TEMP TABLE texts (id int PRIMARY KEY, text text)")
        with connection.cursor().copy("COPY texts FROM STDIN") as copy:
            for row in enumerate(made_up_texts()):
                copy.write_row(row)
        connection.execute(FILL, values)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
        (count, characters) = connection.execute(
            "SELECT (SELECT count(*) FROM annotation_judgment),"
            " (SELECT avg(length(messages->0->>'content')) FROM annotation_completion)"
        ).fetchone()
    print(
        f"{count:,} judgments, {given.people} people, completions of {characters:.0f} characters on average"
    )


def made_up_texts() -> list[str]:
    """Words as of a language, with headings, lists and bold words in some."""
    draw = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(20_000)]
    words += ["perhaps", "certainly", "might", "always"]
    weights = [1 / rank for rank in range(1, len(words) - 3)] + [0.05] * 4
    drawn = draw.choices(words, weights=weights, k=TEXTS * TEXT_CHARACTERS // 5)
    texts = []
    for number in range(TEXTS):
        own = drawn[number * TEXT_CHARACTERS // 5 : (number + 1) * TEXT_CHARACTERS // 5]
        if number % 3 == 0:
            own[40::60] = [f"\n- **{word}**" for word in own[40::60]]
        texts.append(" ".join(own)[:TEXT_CHARACTERS])
    return texts


def compute() -> None:
    """Run the job on one core; prints each step by the names of its figures."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import django

    django.setup()
    from annotation.models import Job, Project
    from comparisons.services import statistics

    project = Project.objects.get()
    now = datetime.now(UTC)
    job = Job.objects.create(kind=statistics.JOB_KIND, key="bench", project=project, created_at=now)
    steps_of = statistics.steps_of

    def timed_steps(*given: Any) -> list[Any]:
        steps = timed("reading", lambda: steps_of(*given))
        return [lambda step=step: timed("", step) for step in steps]

    statistics.steps_of = timed_steps  # type: ignore[assignment]
    start = time.perf_counter()
    figures = statistics.compute_statistics(project=project, job=job, now=now, seed=0)
    seconds, peak = time.perf_counter() - start, max(PEAKS)
    good = seconds <= WANTED_SECONDS and peak <= WANTED_MIB
    print(
        f"{seconds:7.1f} s  {sum(CPU):7.1f} s of CPU  {peak:6.0f} MiB  in all, {len(figures)} figures"
        f" (wanted {WANTED_SECONDS} s, {WANTED_MIB} MiB){'' if good else '  MISSED'}"
    )
    sys.exit(0 if good else 1)


PEAKS: list[float] = []
CPU: list[float] = []


def timed(name: str, step: Callable[[], list[Any]]) -> list[Any]:
    Path("/proc/self/clear_refs").write_text("5")  # begin the peak anew
    start, used = time.perf_counter(), cpu_seconds()
    found = step()
    seconds = time.perf_counter() - start
    CPU.append(cpu_seconds() - used)
    status = Path("/proc/self/status").read_text().splitlines()
    peak = next(line for line in status if line.startswith("VmHWM"))
    PEAKS.append(int(peak.split()[1]) / 1024)
    names = name or ", ".join(dict.fromkeys(figure.name for figure in found))
    print(f"{seconds:7.1f} s  {CPU[-1]:7.1f} s of CPU  {PEAKS[-1]:6.0f} MiB  {names}", flush=True)
    return found


def cpu_seconds() -> float:
    """Of this process and of the PostgreSQL process that serves it: what an idle machine would take at least."""
    from django.db import connection

    connection.ensure_connection()
    words = (
        Path(f"/proc/{connection.connection.info.backend_pid}/stat").read_text().rpartition(")")[2].split()
    )
    return time.process_time() + (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    main()
