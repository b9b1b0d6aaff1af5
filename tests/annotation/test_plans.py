"""The plans of the hot queries: an index for every table, whatever its size."""

import re

import pytest
from django.db import connection

from annotation.statements import Statement, statements

pytestmark = pytest.mark.django_db

NAMES = sorted(name for name, _ in statements)


@pytest.fixture
def no_sequential_scan() -> None:
    """With few rows PostgreSQL rightly reads a whole table; where it still does so now, there is no other way."""
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        # And over two almost empty tables it may sort a single row, only to merge it.
        cursor.execute("SET LOCAL enable_mergejoin = off")


def scanned(statement: Statement) -> list[str]:
    """Tables that the plan reads from end to end."""
    return re.findall(r"Seq Scan on (?:public\.)?(\w+)", "\n".join(statement.plan()))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("no_sequential_scan")
def test_no_hot_query_needs_to_read_a_whole_table(name: str) -> None:
    assert scanned(statements.get(name)) == []


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.usefixtures("no_sequential_scan")
def test_no_hot_query_sorts_payload(name: str) -> None:
    """Prompts and completions are joined after the sort, or sorted within one item."""
    lines = statements.get(name).plan()
    for number, line in enumerate(lines):
        if "Sort Key:" in line and 'c."position"' not in line:
            output = lines[number - 1]
            assert output.strip().startswith("Output:")
            assert not re.search(r"\b(prompt|messages|metadata|note|answer)\b", output), (output, line)


@pytest.mark.usefixtures("no_sequential_scan")
def test_control_a_query_without_an_index_is_found() -> None:
    blind = Statement("blind", ["text"], "SELECT id FROM annotation_lease WHERE display_seed::text = $1")
    assert scanned(blind) == ["annotation_lease"]
