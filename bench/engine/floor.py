"""The floor: what this PostgreSQL does for bare psycopg, with nothing of ours in between.

8 connections in 2 processes, each in a loop of one durable transaction: claim an open slot with FOR UPDATE SKIP
LOCKED, insert a judgment, mark the slot. Two narrow tables of its own, in another database of the same server.
"""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg

ROOT = Path(__file__).resolve().parents[2]
PROCESSES = 2
THREADS = 4
ITEMS = 40_000
OVERLAP = 3
START_SECONDS = 1.5

SCHEMA = """
    DROP TABLE IF EXISTS floor_judgment, floor_slot;
    CREATE TABLE floor_slot (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        item_id bigint NOT NULL,
        state text NOT NULL DEFAULT 'open',
        annotator_id bigint,
        submitted_at timestamptz
    );
    CREATE INDEX floor_slot_open ON floor_slot (id) WHERE state = 'open';
    CREATE TABLE floor_judgment (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        slot_id bigint NOT NULL UNIQUE REFERENCES floor_slot,
        annotator_id bigint NOT NULL,
        answer jsonb NOT NULL,
        created_at timestamptz NOT NULL
    );
"""
FILL = """
    INSERT INTO floor_slot (item_id)
    SELECT item FROM generate_series(1, %s) AS item, generate_series(1, %s) AS slot ORDER BY item, slot
"""
CLAIM = "SELECT id FROM floor_slot WHERE state = 'open' ORDER BY id LIMIT 1 FOR UPDATE SKIP LOCKED"
INSERT = "INSERT INTO floor_judgment (slot_id, annotator_id, answer, created_at) VALUES (%s, %s, %s, now())"
UPDATE = (
    "UPDATE floor_slot SET state = 'submitted', annotator_id = %s, submitted_at = now()"
    " WHERE id = %s AND state = 'open'"
)
ANSWER = '{"preferred": "A", "strength": 2}'


def floor_rate(url: str, seconds: float) -> tuple[float, list[float]]:
    """(transactions a second, milliseconds of each) on the server of `url`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(SCHEMA)
        connection.execute(FILL, [ITEMS, OVERLAP])
        connection.execute("VACUUM ANALYZE floor_slot, floor_judgment")
    plan = {"url": url, "start": time.time() + START_SECONDS, "seconds": seconds}
    workers = [
        subprocess.Popen(
            [sys.executable, "-m", "bench.engine.floor", str(number)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    milliseconds: list[float] = []
    for worker in workers:  # both read before either answers, so neither waits for the other
        assert worker.stdin is not None
        worker.stdin.write(json.dumps(plan))
        worker.stdin.close()
    for worker in workers:
        assert worker.stdout is not None
        milliseconds += json.loads(worker.stdout.read())
        if worker.wait() != 0:
            raise SystemExit("the floor could not be measured")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DROP TABLE floor_judgment, floor_slot")
    return len(milliseconds) / seconds, milliseconds


def transactions(url: str, annotator: int, start: float, seconds: float, into: list[float]) -> None:
    """One connection's loop until `start` + `seconds`."""
    with psycopg.connect(url) as connection:
        time.sleep(max(start - time.time(), 0))
        while time.time() < start + seconds:
            began = time.perf_counter()
            row = connection.execute(CLAIM).fetchone()
            if row is None:
                raise RuntimeError("the floor ran out of slots")
            connection.execute(INSERT, [row[0], annotator, ANSWER])
            connection.execute(UPDATE, [annotator, row[0]])
            connection.commit()
            into.append((time.perf_counter() - began) * 1000)


def main() -> None:
    number = int(sys.argv[1])
    plan = json.load(sys.stdin)
    milliseconds: list[float] = []
    with ThreadPoolExecutor(THREADS) as pool:
        loops = [
            pool.submit(
                transactions,
                plan["url"],
                number * THREADS + thread,
                plan["start"],
                plan["seconds"],
                milliseconds,
            )
            for thread in range(THREADS)
        ]
    for loop in loops:
        loop.result()  # raises what its thread raised
    print(json.dumps(milliseconds))


if __name__ == "__main__":
    main()
