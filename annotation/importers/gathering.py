"""Lines of judgments → items, each with its judgments. Lines of one item stand together, so one item is held."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace

from annotation.importers.base import Importer, SourceRow
from annotation.importers.rows import (
    ItemRow,
    JudgmentRow,
    Limits,
    Problems,
    RowError,
    RowResult,
    shorten,
)
from annotation.importers.seen import SeenIds

ITEM_FACTS = ("external_id", "prompt", "completions", "language", "category", "reference", "metadata")


def gathered(
    sources: Iterator[SourceRow | RowError],
    importer: Importer,
    limits: Limits,
    check: Callable[[ItemRow, Problems], None] | None,
) -> Iterator[RowResult]:
    """An ItemRow for each item with a good line, and the errors of the others; see `check_rows`."""
    current: ItemRow | None = None
    with closing(SeenIds()) as seen:
        for source in sources:
            if isinstance(source, RowError):
                yield source
                continue
            problems = Problems(source.line, limits)
            row = importer.item(source.raw, problems)
            if row is not None and check is not None:
                check(row, problems)
            if row is not None and not problems:
                (judgment,) = row.judgments
                if current is not None and current.judgments[0].group == judgment.group:
                    _join(current, row, problems)
                elif _is_new(judgment, seen, problems):
                    if current is not None:
                        yield _named(current, seen)
                    current = row
            yield from problems.errors
        if current is not None:
            yield _named(current, seen)


def _is_new(judgment: JudgmentRow, seen: SeenIds, problems: Problems) -> bool:
    earlier = seen.note(f"group {judgment.group}", judgment.line)
    if earlier is not None:
        problems.add(
            "id",
            "item_apart",
            judgment.record,
            f"other judgments of this item begin on line {earlier}, with those of another item between",
            "keep the lines of an item together, as a release does",
        )
    return earlier is None


def _named(item: ItemRow, seen: SeenIds) -> RowResult:
    """The item under an id of its own: two batches of one file may have used the same."""
    if seen.note(f"id {item.external_id}", item.line) is None:
        return item
    group = item.judgments[0].group
    name = f"{group}:{item.external_id[: 199 - len(group)]}"
    earlier = seen.note(f"id {name}", item.line)
    if earlier is None:
        return replace(item, external_id=name)
    return RowError(
        item.line,
        "item",
        "duplicate_id",
        shorten(name),
        f"two items have the id {shorten(item.external_id)}, and line {earlier} has the one it would get",
        "give the items ids of their own",
    )


def _join(item: ItemRow, row: ItemRow, problems: Problems) -> None:
    """Add the judgment of `row` to its item, or to `problems` why it is none of this item's."""
    (judgment,) = row.judgments
    for name in ITEM_FACTS:
        if getattr(row, name) != getattr(item, name):
            problems.add(
                "item" if name == "external_id" else name,
                "item_differs",
                getattr(row, name),
                f"line {item.line} tells something else of the same item {judgment.group}",
                "give items that differ numbers of their own",
            )
    _check_beside(judgment, item.judgments, problems)
    limits = problems.limits
    size = sum(one.size for one in item.judgments) + judgment.size
    if len(item.judgments) >= limits.judgments_per_item or size > limits.judgment_characters:
        problems.add(
            "id",
            "item_too_large",
            judgment.record,
            f"an item may have at most {limits.judgments_per_item} judgments with together "
            f"{limits.judgment_characters} characters",
            "leave some of its judgments out",
        )
    if not problems:
        item.judgments.append(judgment)


def _check_beside(judgment: JudgmentRow, others: list[JudgmentRow], problems: Problems) -> None:
    """A release holds the end of each chain of corrections, and one judgment of a person on an item."""
    for other in others:
        if other.judgment == judgment.judgment:
            problems.add(
                "judgment",
                "duplicate_judgment",
                judgment.judgment,
                f"line {other.line} has the same judgment",
                "remove one of the two",
            )
        elif judgment.judgment == other.supersedes or judgment.supersedes == other.judgment:
            problems.add(
                "supersedes",
                "superseded",
                judgment.supersedes,
                f"this line and line {other.line} are a judgment and its correction",
                "keep the correction only: what it corrects counts no more",
            )
        elif judgment.annotator == other.annotator:
            problems.add(
                "annotator",
                "judged_twice",
                judgment.annotator,
                f"line {other.line} is a judgment of the same person on this item",
                "keep one of the two, or give the people pseudonyms of their own",
            )
