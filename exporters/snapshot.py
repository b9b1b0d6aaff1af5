"""The selection of a release: which pairs it holds, with which label, on which side of the split.

Read in one REPEATABLE READ transaction, so that it is the state of one moment however many people submit
meanwhile. It keeps ids and labels only; the texts are immutable and are read later.
"""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import combinations, islice
from typing import NamedTuple

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q, QuerySet

from annotation.ids import among
from annotation.models import (
    AuditEvent,
    Batch,
    Completion,
    Consent,
    ConsentText,
    Criterion,
    Item,
    Judgment,
    Project,
)
from annotation.models.judgment import IMPORTED
from comparisons.selectors import WrittenText, pairwise_outcomes, work_judgments, written_texts
from exporters.card import ProtocolFacts
from exporters.formats import export_formats
from exporters.groups import deciding_hashes
from exporters.labels import LABELS, Label, Vote
from exporters.selection import SelectedJudgment, SelectedRow, SelectedText, Selection
from exporters.settings import ReleaseSettings
from exporters.splits import side_of, split_key

ITEMS_AT_ONCE = 1000


class ItemFacts(NamedTuple):
    """What rows are made from of an item. `batch` and `protocol_version` are numbers, `protocol` is an id."""

    pk: int
    batch: int
    number: int
    external_id: str
    prompt_hash: str
    reference: int | None
    language: str
    protocol: int
    protocol_kind: str
    protocol_version: int

    @property
    def protocol_name(self) -> str:
        return f"{self.protocol_kind} v{self.protocol_version}"


class CompletionFacts(NamedTuple):
    """What rows are made from of a completion."""

    pk: int
    position: int
    content_hash: str


@contextmanager
def one_moment() -> Iterator[None]:
    """A transaction that sees one state of the database throughout and writes nothing."""
    with transaction.atomic(durable=True):
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        yield


def releasable_judgments(project: Project) -> QuerySet[Judgment]:
    """Judgments that a release may hold (I14): accepted, current, of regular work or imported, with consent.

    Consent counts when the person has agreed to a text of the project; none was needed before there was one. Who gave
    an imported judgment was asked where they gave it: its release held no other.
    """
    asked = ConsentText.objects.filter(project=project, created_at__lte=OuterRef("created_at"))
    agreed = Consent.objects.filter(consent_text__project=project, annotator=OuterRef("annotator"))
    # What was erased says nothing any more; an answer of another kind has no such row, so the join finds null.
    kept = work_judgments(project).filter(
        demonstration_answer__erased_at__isnull=True, critique_answer__erased_at__isnull=True
    )
    return kept.filter(IMPORTED | ~Exists(asked) | Exists(agreed))


def releasable_items(project: Project, settings: ReleaseSettings) -> QuerySet[Item]:
    """Items that the filters let through, in the order of the release."""
    items = Item.objects.filter(project=project, batch__state__in=[Batch.State.OPEN, Batch.State.CLOSED])
    if settings.batches:
        items = items.filter(batch__number__in=settings.batches)
    if settings.languages:
        items = items.filter(language__in=settings.languages)
    return items.order_by("batch__number", "number")


def select_rows(project: Project, settings: ReleaseSettings) -> Selection:
    """Everything that the release holds, as of one moment. Call it outside any transaction: it opens its own."""
    selection = Selection()
    with one_moment():
        selection.deciding = deciding_hashes(project, settings)
        key = split_key(project.split_seed, settings.seed)
        reader = item_facts(releasable_items(project, settings))
        while chunk := list(islice(reader, ITEMS_AT_ONCE)):
            select_chunk(project, settings, key, chunk, selection)
        selection.protocols = protocol_facts(project, selection.batches)
        about_judgments = Q(object_type=Judgment._meta.model_name) | Q(action="batch.judgments_imported")
        events = AuditEvent.objects.filter(about_judgments, project=project)
        last = events.filter(chain_position__isnull=False).order_by("-chain_position").first()
        selection.audit_position = (last and last.chain_position) or 0
        selection.audit_waiting = list(
            events.filter(chain_position__isnull=True).values_list("pk", flat=True)
        )
    return selection


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
    """Who made a judgment, and under which version of the guideline."""

    annotator: int
    is_simulated: bool
    guideline: int
    item: int


def judgment_makers(project: Project, items: Sequence[ItemFacts]) -> dict[int, Maker]:
    """The releasable judgments of some items, by id."""
    rows = releasable_judgments(project).filter(among("item", [item.pk for item in items]))
    facts = rows.values_list("pk", "annotator_id", "annotator__is_simulated", "guideline__number", "item_id")
    return {pk: Maker(person, simulated, guide, item) for pk, person, simulated, guide, item in facts}


def completion_facts(items: Sequence[ItemFacts]) -> dict[int, list[CompletionFacts]]:
    """By item its completions, in the order of import."""
    found: dict[int, list[CompletionFacts]] = defaultdict(list)
    rows = Completion.objects.filter(among("item", [item.pk for item in items])).order_by("position")
    for item, pk, position, content_hash in rows.values_list("item_id", "pk", "position", "content_hash"):
        found[item].append(CompletionFacts(pk, position, content_hash))
    return found


def select_chunk(
    project: Project,
    settings: ReleaseSettings,
    key: bytes,
    items: Sequence[ItemFacts],
    selection: Selection,
) -> None:
    """Add the rows of some items."""
    completions = completion_facts(items)
    makers = judgment_makers(project, items)
    votes: dict[tuple[int, int], list[Vote]] = defaultdict(list)
    # By their ids: which of them may be released is worked out once, not again for each kind of answer.
    for outcome in pairwise_outcomes(
        Judgment.objects.filter(among("pk", makers)), criterion=Criterion.OVERALL
    ):
        votes[outcome.first, outcome.second].append(Vote(outcome.judgment, outcome.preference))
    texts: dict[int, list[WrittenText]] = defaultdict(list)
    if settings.labels != "reference":
        for text in written_texts(Judgment.objects.filter(among("pk", makers))):
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
    for item in items:
        deciding = selection.deciding.get(item.pk, item.prompt_hash)
        side = side_of(deciding, key, settings.shares)
        before = len(rows) + len(written) + len(judgments)
        rows += item_rows(item, completions[item.pk], votes, settings, side, selection.dropped)
        written += item_texts(item, texts[item.pk], settings, side)
        if len(whole[item.pk]) >= settings.min_judgments:
            judgments += [SelectedJudgment(judgment, item.pk, side) for judgment in whole[item.pk]]
        found = len(rows) + len(written) + len(judgments) - before
        if not found:
            continue
        selection.sides[side] += found
        selection.items += 1
        selection.batches[item.protocol].add(item.batch)
        selection.prompts.add(item.pk, side, item.prompt_hash, deciding)
        selection.languages |= {item.language} - {""}
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


def item_rows(
    item: ItemFacts,
    completions: Sequence[CompletionFacts],
    votes: dict[tuple[int, int], list[Vote]],
    settings: ReleaseSettings,
    side: str,
    dropped: Counter[str],
) -> Iterator[SelectedRow]:
    """The rows of one item: every two of its completions that get a label."""
    for first, second in combinations(completions, 2):
        found = votes.get((first.pk, second.pk), [])
        if len(found) < settings.min_judgments:
            dropped["too_few_judgments"] += 1
            continue
        if first.content_hash == second.content_hash:
            # chosen = rejected teaches a trainer nothing, and TRL lets it pass.
            dropped["identical"] += 1
            continue
        labels = LABELS[settings.labels](found, item.reference if len(completions) == 2 else None)
        if not labels:
            dropped["no_reference"] += 1
        for label in labels:
            if label.preference == 0 and settings.ties == "drop":
                dropped["tie"] += 1
            else:
                yield from label_rows(item, first, second, label, settings, side)


def item_texts(
    item: ItemFacts, written: Sequence[WrittenText], settings: ReleaseSettings, side: str
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
            split=side,
            protocol=item.protocol_name,
        )
        for text in written
    ]


def label_rows(
    item: ItemFacts,
    first: CompletionFacts,
    second: CompletionFacts,
    label: Label,
    settings: ReleaseSettings,
    side: str,
) -> Iterator[SelectedRow]:
    """The row of a label; a tie that is kept gives two, one for each order."""
    is_tie = label.preference == 0
    orders = [(second, first)] if label.preference > 0 else [(first, second)]
    if is_tie:
        orders.append((second, first))
    # By judgment, several rows of one pair exist; otherwise the pair alone is a name that stays.
    judgment = label.judgments[0] if settings.labels == "every" else None
    for number, (chosen, rejected) in enumerate(orders):
        pair = (second, first) if number else (first, second)
        positions = (pair[0].position, pair[1].position)
        yield SelectedRow(
            id=row_id(item.batch, item.number, positions, judgment),
            item=item.pk,
            external_id=item.external_id,
            chosen=chosen.pk,
            rejected=rejected.pk,
            strength=None if settings.labels == "reference" else abs(label.preference),
            is_tie=is_tie,
            split=side,
            protocol=item.protocol_name,
            judgment_ids=label.judgments,
            content_hash=row_hash(item, chosen, rejected),
        )


def row_id(batch: int, item: int, positions: tuple[int, int], judgment: int | None) -> str:
    """The name of a row: numbers of batch and item, and positions of both completions, the earlier one first but
    in the second row of a tie. The judgment is named where each has a row of its own (labels every)."""
    return f"{batch}-{item}-{positions[0]}-{positions[1]}" + ("" if judgment is None else f"-{judgment}")


def row_hash(item: ItemFacts, chosen: CompletionFacts, rejected: CompletionFacts) -> str:
    """SHA-256 over the hashes of the three texts of a row."""
    parts = f"{item.prompt_hash} {chosen.content_hash} {rejected.content_hash}"
    return hashlib.sha256(parts.encode()).hexdigest()


def protocol_facts(project: Project, used: dict[int, set[int]]) -> tuple[ProtocolFacts, ...]:
    protocols = project.protocols.filter(pk__in=used).order_by("number")
    questions = dict(
        Criterion.objects.filter(
            Q(protocol__in=protocols, key=Criterion.OVERALL) & ~Q(question="")
        ).values_list("protocol_id", "question")
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
