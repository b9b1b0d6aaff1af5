"""The plans of every hot query on the running instance, as a page of docs: `python -m bench.engine.plans`.

A plan is the generic one, which is what runs (settings: plan_cache_mode).
"""

import re

import django

HEAD = """# Plans of the hot queries

Written by `python -m bench.engine --plans docs/engine-explain.md`, on the {items:,} items of that run, after ANALYZE.
`tests/annotation/test_plans.py` holds every one of them to an index for each table and to sorts without payload
(prompts and completions are joined after the sort, or sorted within one item). Where a plan below reads a whole
table, that table has a few rows on this instance, and one page is cheaper than an index.

"""


def page() -> str:
    from django.db import connection, transaction

    from annotation.statements import statements

    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM annotation_item")
        text = HEAD.format(items=cursor.fetchone()[0])
        cursor.execute("SELECT relname, reltuples::bigint FROM pg_class WHERE relkind = 'r'")
        rows = dict(cursor.fetchall())
    for name, statement in sorted(statements):
        with transaction.atomic():
            lines = [
                line for line in statement.plan() if not re.match(r"\s*(Output|Query Identifier):", line)
            ]
        read = sorted(set(re.findall(r"Seq Scan on (?:public\.)?(\w+)", "\n".join(lines))))
        note = ", ".join(
            f"`{table}` ({rows[table]:,} rows)" if rows[table] >= 0 else f"`{table}` (a few rows)"
            for table in read
        )
        text += f"## {name}\n\n"
        text += f"Reads whole: {note}.\n\n" if read else ""
        text += "```\n" + "\n".join(lines) + "\n```\n\n"
    return text.rstrip() + "\n"


if __name__ == "__main__":
    django.setup()
    # Importing the views has every statement defined.
    import annotation.config.urls  # noqa: F401

    print(page(), end="")
