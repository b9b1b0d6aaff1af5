"""The rows of one item, from its completions and the judgments about them. Pure functions; no Django."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from exporters.labels import (
    LABELS,
    Decision,
    Estimate,
    Evidence,
    Label,
    Vote,
    agreement,
    holds_in_both_orders,
)
from exporters.ranked_pairs import kept_pairs, pairs_of_order
from exporters.selection import SelectedRow
from exporters.settings import ReleaseSettings

WITHOUT_LABEL = ("taste", "broken")
"""Reasons of a decision that forces no label: the item's pairs are left out for it."""
NOT_DECIDED = Decision("", {})


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


def item_rows(
    item: ItemFacts,
    completions: Sequence[CompletionFacts],
    votes: Mapping[tuple[int, int], Sequence[Vote]],
    estimates: Mapping[tuple[int, int], Estimate],
    settings: ReleaseSettings,
    dropped: Counter[str],
    decision: Decision = NOT_DECIDED,
) -> Iterator[SelectedRow]:
    """Every two completions of an item that get a label. `votes` are those on the item's pairs; `decision` is only
    given for labels that are made from it."""
    kept = votes
    if item.protocol_kind == "ranking" and settings.ranking_pairs != "all":
        kept = kept_pairs(votes, settings.ranking_pairs, by_judgment=settings.labels == "every")
        if decision.preferences:
            # The order that was decided says who is whose neighbour, not the one that people disagreed on.
            wanted = pairs_of_order(decision.preferences, settings.ranking_pairs)
            kept = {pair: votes.get(pair, ()) for pair in wanted}
    for first, second in combinations(completions, 2):
        pair = first.pk, second.pk
        found = votes.get(pair, ())
        if reason := why_dropped(first, second, found, settings, decision):
            dropped[reason] += 1
            continue
        if found and pair not in kept:
            dropped["not_wanted"] += 1
            continue
        reference = item.reference if len(completions) == 2 else None
        decided = decision.preferences.get(pair)
        labels = LABELS[settings.labels](
            Evidence(kept.get(pair, ()), reference, estimates.get(pair), decided)
        )
        if not labels:
            dropped["no_reference" if settings.labels == "reference" else "no_estimate"] += 1
        for label in labels:
            if label.preference == 0 and settings.ties == "drop":
                dropped["tie"] += 1
            else:
                yield from label_rows(item, first, second, label, settings)


def why_dropped(
    first: CompletionFacts,
    second: CompletionFacts,
    votes: Sequence[Vote],
    settings: ReleaseSettings,
    decision: Decision,
) -> str:
    """Empty: the pair may have a row. What was decided stands, however much the judgments differ."""
    if len(votes) < settings.min_judgments:
        return "too_few_judgments"
    if first.content_hash == second.content_hash:
        # chosen = rejected teaches a trainer nothing, and TRL lets it pass.
        return "identical"
    if decision.reason in WITHOUT_LABEL:
        return decision.reason
    if (first.pk, second.pk) in decision.preferences:
        return ""
    if settings.min_agreement and agreement(votes) < settings.min_agreement:
        return "low_agreement"
    if settings.in_both_orders and not holds_in_both_orders(votes):
        return "one_order"
    return ""


def label_rows(
    item: ItemFacts,
    first: CompletionFacts,
    second: CompletionFacts,
    label: Label,
    settings: ReleaseSettings,
) -> Iterator[SelectedRow]:
    """The row of a label; a tie that is kept in both orders gives two."""
    is_tie = label.preference == 0
    orders = [(second, first)] if label.preference > 0 else [(first, second)]
    if is_tie and settings.ties == "both":
        orders.append((second, first))
    elif is_tie and is_drawn_second(item, first, second):
        orders = [(second, first)]
    second_share = 0.5 if is_tie else label.second_share
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
            soft_label=second_share if chosen is second else 1 - second_share,
            is_swapped=chosen is second,
            is_tie=is_tie,
            protocol=item.protocol_name,
            judgment_ids=label.judgments,
            content_hash=row_hash(item, chosen, rejected),
            is_decided=label.is_decided,
        )


def is_drawn_second(item: ItemFacts, first: CompletionFacts, second: CompletionFacts) -> bool:
    """Which completion a soft tie calls chosen: drawn from the texts, so that neither place is favoured."""
    return int(row_hash(item, first, second)[-1], 16) % 2 == 1


def row_id(batch: int, item: int, positions: tuple[int, int], judgment: int | None) -> str:
    """The name of a row: numbers of batch and item, and positions of both completions, the earlier one first but
    in the second row of a tie. The judgment is named where each has a row of its own (labels every)."""
    return f"{batch}-{item}-{positions[0]}-{positions[1]}" + ("" if judgment is None else f"-{judgment}")


def row_hash(item: ItemFacts, chosen: CompletionFacts, rejected: CompletionFacts) -> str:
    """SHA-256 over the hashes of the three texts of a row."""
    parts = f"{item.prompt_hash} {chosen.content_hash} {rejected.content_hash}"
    return hashlib.sha256(parts.encode()).hexdigest()
