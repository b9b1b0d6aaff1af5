"""The selection of a release: which pairs it holds, with which label, on which side of the split.

Read in one REPEATABLE READ transaction, so that it is the state of one moment however many people submit
meanwhile. It keeps ids and labels only; the texts are immutable and are read later.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Generator, Iterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import islice
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.ids import among
from annotation.models import (
    AuditEvent,
    Completion,
    Consent,
    ConsentText,
    Criterion,
    Item,
    Judgment,
    Project,
)
from comparisons.models import Adjudication
from comparisons.selectors import (
    WRITING,
    PairwiseOutcome,
    WrittenText,
    pairwise_outcomes,
    written_texts,
)
from comparisons.selectors_adjudication import decided_labels
from exporters.ahead import read_ahead, thread_within
from exporters.balance import kept_for_balance
from exporters.estimates import Estimates, estimates
from exporters.facts import ProtocolFacts, Told
from exporters.figures import figures_of
from exporters.formats import export_formats
from exporters.groups import deciding_hashes
from exporters.labels import Decision, Vote
from exporters.leaning import leaning_people
from exporters.releasable import chosen_judgments, releasable_items
from exporters.rows import NOT_DECIDED, CompletionFacts, ItemFacts, item_rows
from exporters.selection import SelectedJudgment, SelectedRow, SelectedText, Selection
from exporters.settings import ReleaseSettings
from exporters.splits import side_of, split_key

ITEMS_AT_ONCE = 1000


@contextmanager
def one_moment(snapshot: str = "") -> Iterator[None]:
    """A transaction that sees one state of the database throughout and writes nothing.

    `snapshot` names the moment of another transaction that is still open (`name_of_moment`).
    """
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            if snapshot:
                cursor.execute("SET TRANSACTION SNAPSHOT %s", [snapshot])
        yield


def name_of_moment() -> str:
    """For other connections that are to see what this one sees."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_export_snapshot()")
        name: str = cursor.fetchone()[0]
    return name


@dataclass
class Known:
    """What is worked out over the whole snapshot before the rows of a part of it can be made."""

    judgments: QuerySet[Judgment]
    side_of: Callable[[str], str]
    """The side that a prompt hash decides."""
    estimates: Estimates = field(default_factory=dict)
    is_kept: Sequence[bool] | None = None
    """For each row in turn, whether the balance of lengths keeps it; None: all are kept."""


def select_rows(project: Project, settings: ReleaseSettings, *, with_figures: bool = False) -> Selection:
    """Everything that the release holds, as of one moment. Call it outside any transaction: it opens its own.

    `with_figures`: also what the card tells of the judgments; labels that came with the data rest on none.
    """
    selection = Selection()
    with one_moment():
        with thread_within(partial(one_moment, name_of_moment())) as thread:
            clustering = thread.submit(deciding_hashes, project, settings)
            known = what_is_known(project, settings, selection, clustering)
            with closing(chunks_with_facts(project, settings, known.judgments)) as chunks:
                for items, facts in chunks:
                    select_chunk(settings, known, items, facts, selection)
            selection.decide_sides(clustering.result(), known.side_of)
        selection.protocols = protocol_facts(project, selection.batches, settings.criterion)
        if with_figures:
            selection.consent_texts = agreed_texts(project, selection.annotators)
        if with_figures and settings.labels != "reference":
            selection.figures = figures_of(selection.judged, selection.judged_items, settings.seed)
        events = AuditEvent.objects.filter(covered_events(settings), project=project)
        last = events.filter(chain_position__isnull=False).order_by("-chain_position").first()
        selection.audit_position = (last and last.chain_position) or 0
        selection.audit_waiting = list(
            events.filter(chain_position__isnull=True).values_list("pk", flat=True)
        )
    return selection


def covered_events(settings: ReleaseSettings) -> Q:
    """What the head of the audit log covers: whatever the rows rest on, and nothing else. So a decision changes no byte
    of a release that reads none."""
    events = Q(object_type=Judgment._meta.model_name) | Q(action="batch.judgments_imported")
    if settings.labels == "adjudicated":
        events |= Q(object_type=Adjudication._meta.model_name)
    return events


def agreed_texts(project: Project, annotators: Collection[int]) -> tuple[Told, ...]:
    """The versions of the consent text that any of them has agreed to; read with the rest, as one comes any time."""
    given = Consent.objects.filter(annotator__in=annotators, consent_text=OuterRef("pk"))
    texts = ConsentText.objects.filter(Exists(given), project=project).order_by("number")
    return tuple(Told(*row) for row in texts.values_list("number", "text"))


def what_is_known(
    project: Project,
    settings: ReleaseSettings,
    selection: Selection,
    clustering: Future[dict[int, str]],
) -> Known:
    """Read the snapshot as often as the settings need it: most need no query here."""
    judgments = chosen_judgments(project, settings)
    if settings.max_lean is not None:
        leaning = leaning_people(judgments, settings.criterion, settings.max_lean)
        selection.leaning = len(leaning)
        judgments = judgments.exclude(annotator__in=leaning)
    key = split_key(project.split_seed, settings.seed)
    known = Known(judgments, partial(side_of, key=key, shares=settings.shares))
    if settings.labels == "dawid_skene":
        known.estimates, selection.notes = estimates(
            judgments.filter(item__in=releasable_items(project, settings).order_by()), settings.criterion
        )
    if settings.is_length_balanced:
        known.is_kept = kept_for_balance(rows_with_sides(project, settings, known, clustering.result()))
    return known


def rows_with_sides(
    project: Project, settings: ReleaseSettings, known: Known, deciding: Mapping[int, str]
) -> Iterator[SelectedRow]:
    for items, facts in chunks_with_facts(project, settings, known.judgments):
        for item, rows in zip(items, pair_rows(settings, known, items, facts, Counter()), strict=True):
            side = known.side_of(deciding.get(item.pk, item.prompt_hash))
            yield from (row._replace(split=side) for row in rows)


def item_chunks(project: Project, settings: ReleaseSettings) -> Iterator[list[ItemFacts]]:
    reader = item_facts(releasable_items(project, settings))
    while chunk := list(islice(reader, ITEMS_AT_ONCE)):
        yield chunk


def item_facts(items: QuerySet[Item]) -> Iterator[ItemFacts]:
    rows = items.values_list(
        "pk",
        "batch__number",
        "number",
        "external_id",
        "prompt_hash",
        "reference",
        "language",
        "batch__protocol_id",
        "batch__protocol__kind",
        "batch__protocol__number",
    )
    return map(ItemFacts._make, rows.iterator(chunk_size=ITEMS_AT_ONCE))


class Maker(NamedTuple):
    """Who made a judgment, under which version of the guideline, of which item as it was shown."""

    annotator: int
    is_simulated: bool
    guideline: int
    item: int
    display_order: list[int]


def makers_of(judgments: QuerySet[Judgment], items: Sequence[ItemFacts]) -> dict[int, Maker]:
    """Those of `judgments` that are about some items, by id."""
    rows = judgments.filter(among("item", [item.pk for item in items]))
    columns = ("annotator_id", "annotator__is_simulated", "guideline__number", "item_id", "display_order")
    return {pk: Maker(*facts) for pk, *facts in rows.values_list("pk", *columns)}


class ChunkFacts(NamedTuple):
    """What the snapshot says of some items: who judged them, by judgment, what there was to judge, by item, what was
    said, and what was decided, by item."""

    makers: dict[int, Maker]
    completions: dict[int, list[CompletionFacts]]
    outcomes: list[PairwiseOutcome]
    texts: list[WrittenText]
    decisions: dict[int, Decision]


def chunks_with_facts(
    project: Project, settings: ReleaseSettings, judgments: QuerySet[Judgment]
) -> Generator[tuple[list[ItemFacts], ChunkFacts], None, None]:
    """All items in turn, some at a time, with what `judgments` say of them: the facts of the next ones are read while
    the last ones are worked on, from the same moment."""
    return read_ahead(
        item_chunks(project, settings),
        partial(chunk_facts, settings, judgments),
        partial(one_moment, name_of_moment()),
    )


def chunk_facts(
    settings: ReleaseSettings, judgments: QuerySet[Judgment], items: Sequence[ItemFacts]
) -> ChunkFacts:
    makers = makers_of(judgments, items)
    kinds = {item.protocol_kind for item in items}
    return ChunkFacts(
        makers=makers,
        completions=completion_facts(items),
        # By their ids: which of them may be released is worked out once, not again for each kind of answer.
        outcomes=list(pairwise_outcomes(makers, criterion=settings.criterion, kinds=kinds)),
        texts=list(written_texts(makers)) if kinds & WRITING and settings.labels != "reference" else [],
        decisions=decisions_on(items, settings),
    )


def decisions_on(items: Sequence[ItemFacts], settings: ReleaseSettings) -> dict[int, Decision]:
    """By item, where the labels are made from decisions; otherwise none are read."""
    if settings.labels != "adjudicated":
        return {}
    found = decided_labels([item.pk for item in items], settings.criterion)
    return {item: Decision(*decided) for item, decided in found.items()}


def completion_facts(items: Sequence[ItemFacts]) -> dict[int, list[CompletionFacts]]:
    """By item its completions, in the order of import."""
    found: dict[int, list[CompletionFacts]] = defaultdict(list)
    rows = Completion.objects.filter(among("item", [item.pk for item in items])).order_by("position")
    for item, pk, position, content_hash in rows.values_list("item_id", "pk", "position", "content_hash"):
        found[item].append(CompletionFacts(pk, position, content_hash))
    return found


def pair_rows(
    settings: ReleaseSettings,
    known: Known,
    items: Sequence[ItemFacts],
    facts: ChunkFacts,
    dropped: Counter[str],
) -> Iterator[list[SelectedRow]]:
    """The rows of each item in turn, without their sides."""
    votes: dict[int, dict[tuple[int, int], list[Vote]]] = defaultdict(lambda: defaultdict(list))
    for outcome in facts.outcomes:
        shown = facts.makers[outcome.judgment].display_order
        # More than two stand in a grid or a list; there is no order that could be turned round.
        is_swapped = shown[0] == 1 if len(shown) == 2 else None
        votes[outcome.item][outcome.first, outcome.second].append(
            Vote(outcome.judgment, outcome.preference, is_swapped)
        )
    for item in items:
        yield list(
            item_rows(
                item,
                facts.completions[item.pk],
                votes[item.pk],
                known.estimates,
                settings,
                dropped,
                facts.decisions.get(item.pk, NOT_DECIDED),
            )
        )


def select_chunk(
    settings: ReleaseSettings,
    known: Known,
    items: Sequence[ItemFacts],
    facts: ChunkFacts,
    selection: Selection,
) -> None:
    """Add the rows of some items."""
    makers = facts.makers
    texts: dict[int, list[WrittenText]] = defaultdict(list)
    for text in facts.texts:
        texts[text.item].append(text)
    whole: dict[int, list[int]] = defaultdict(list)
    if settings.labels != "reference" and any(
        export_formats.get(key).reads_judgments for key in settings.formats
    ):
        for judgment in sorted(makers):
            whole[makers[judgment].item].append(judgment)
    rows: list[SelectedRow] = []
    written: list[SelectedText] = []
    judgments: list[SelectedJudgment] = []
    selection.judged.extend(makers)
    selection.judged_items.extend(maker.item for maker in makers.values())
    made = pair_rows(settings, known, items, facts, selection.dropped)
    for item, own in zip(items, made, strict=True):
        before = len(rows) + len(written) + len(judgments)
        rows += balanced(own, known, selection)
        written += item_texts(item, texts[item.pk], settings)
        if len(whole[item.pk]) >= settings.min_judgments:
            judgments += [SelectedJudgment(judgment, item.pk) for judgment in whole[item.pk]]
        found = len(rows) + len(written) + len(judgments) - before
        if not found:
            continue
        selection.held.append(found)
        selection.items += 1
        selection.batches[item.protocol].add(item.batch)
        selection.prompts.add(item.pk, item.prompt_hash)
        selection.languages |= {item.language} - {""}
    if settings.labels == "adjudicated":
        selection.sources.update("decision" if row.is_decided else "majority" for row in rows)
    selection.rows.extend(rows)
    selection.texts.extend(written)
    selection.whole.extend(judgments)
    used = {judgment for row in rows for judgment in row.judgment_ids}
    used.update(text.judgment for text in written)
    used.update(one.judgment for one in judgments)
    selection.judgments += len(used)
    for judgment in used:
        maker = makers[judgment]
        selection.simulated_judgments += maker.is_simulated
        selection.annotators.add(maker.annotator)
        selection.guidelines.add(maker.guideline)


def balanced(rows: Sequence[SelectedRow], known: Known, selection: Selection) -> Iterator[SelectedRow]:
    """The next rows without those that the balance of lengths leaves out."""
    for row in rows:
        is_kept = known.is_kept is None or known.is_kept[selection.made]
        selection.made += 1
        if is_kept:
            yield row
        else:
            selection.dropped["length"] += 1


def item_texts(
    item: ItemFacts, written: Sequence[WrittenText], settings: ReleaseSettings
) -> list[SelectedText]:
    """What was written about one item; nothing where fewer wrote than the release asks for."""
    if len(written) < settings.min_judgments:
        return []
    return [
        SelectedText(
            id=f"{item.batch}-{item.number}-written-{text.judgment}",
            item=item.pk,
            external_id=item.external_id,
            judgment=text.judgment,
            completion=text.completion,
            is_preferred=text.is_preferred,
            protocol=item.protocol_name,
        )
        for text in written
    ]


def protocol_facts(project: Project, used: dict[int, set[int]], criterion: str) -> tuple[ProtocolFacts, ...]:
    protocols = project.protocols.filter(pk__in=used).order_by("number")
    questions = dict(
        Criterion.objects.filter(Q(protocol__in=protocols, key=criterion) & ~Q(question="")).values_list(
            "protocol_id", "question"
        )
    )
    return tuple(
        ProtocolFacts(
            version=protocol.number,
            kind=protocol.kind,
            points=protocol.points,
            questions=(questions[protocol.pk],) if protocol.pk in questions else (),
            batches=tuple(sorted(used[protocol.pk])),
        )
        for protocol in protocols
    )
