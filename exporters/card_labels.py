"""The card's account of how the labels were made, in words. Pure; no Django."""

from __future__ import annotations

from collections.abc import Mapping

from exporters.facts import ReleaseFacts
from exporters.formats import ExportFormat
from exporters.settings import OVERALL, ReleaseSettings
from exporters.words import counted, one_line

LABEL_STORIES = {
    "majority": "One row for each pair of completions: the one that more judgments preferred, whatever their strength.",
    "every": "One row for each judgment, so people who disagree give rows that disagree.",
    "mean_strength": "One row for each pair of completions: the sign of the mean of all signed preferences.",
    "dawid_skene": "One row for each pair of completions: the most probable answer by Dawid and Skene's model (Applied "
    "Statistics 28, 1979), which weighs each annotator by the errors it finds them to make. Each scale of judging has "
    "a model of its own, fitted on the judgments of this release.",
    "adjudicated": "One row for each pair of completions: what a reviewer decided who had read the judgments; where "
    "nobody decided, the one that more judgments preferred, whatever their strength. What was decided counts like a "
    "majority of all, however few agreed; no pair is labelled of which a reviewer said that tastes really differ.",
    "reference": "The label that came with the imported data. No judgment of this project was used.",
}
WHOLE_STORY = (
    "What people answered, as it was stored: no label was made of it, and the settings for labels and ties play no "
    "part."
)
DROPPED_STORIES = {
    "tie": "left out as a tie",
    "identical": "left out because both completions read the same",
    "too_few_judgments": "left out for too few judgments",
    "no_reference": "left out because the data brought no label for them",
    "no_estimate": "left out because the model could not be fitted",
    "low_agreement": "left out because too few of the judgments agree",
    "one_order": "left out because the judgments of the two orders of showing do not both say the same",
    "not_wanted": "of a ranking left out because other pairs of it stand for them",
    "length": "left out to balance lengths",
    "taste": "left out because a reviewer found a real difference of taste",
    "broken": "left out because a reviewer found the item broken",
}
TIE_STORIES = {
    "drop": "left out",
    "both": "kept in both orders, two rows each",
    "soft": "kept as one row each with the soft label 0.5; which completion is called chosen is drawn from the texts, "
    "so a trainer that does not read the soft label learns noise from them",
}
RANKING_STORIES = {"adjacent": "neighbours in the order", "best_worst": "the best against the worst"}
"""By `ranking_pairs`, what is kept of a ranking."""


def label_story(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    settings = facts.settings
    is_whole = export_format.reads_judgments
    lines = [WHOLE_STORY if is_whole else LABEL_STORIES[settings.labels], ""]
    if export_format.note:
        lines += [export_format.note, ""]
    for protocol in facts.protocols:
        scale = f", {protocol.points} points" if protocol.points else ""
        lines.append(
            f"- Protocol version {protocol.version} ({protocol.kind}{scale}), batch"
            f"{'' if len(protocol.batches) == 1 else 'es'} {', '.join(map(str, protocol.batches))}. "
            + ASKED.get(protocol.kind, "")
        )
        lines += [f"  - Question: {one_line(question)}" for question in protocol.questions]
    if facts.guidelines:
        lines.append(f"- Guideline versions shown: {', '.join(map(str, facts.guidelines))}.")
    if settings.min_judgments > 1:
        units = "Items" if is_whole else "Pairs"
        lines.append(f"- {units} with fewer than {settings.min_judgments} judgments are left out.")
    if not is_whole:
        lines += source_words(facts)
        lines += pair_choices(settings)
        lines.append(f"- Ties are {TIE_STORIES[settings.ties]}.")
    lines += judgment_choices(facts)
    if not is_whole:
        lines += [f"- {words}." for words in dropped_words(dict(facts.dropped))]
    lines.append(
        "- Only accepted, current judgments of regular work count: none that came late, was voided, was corrected "
        "later, was made on a check item, or came from somebody who has not agreed to the consent text."
    )
    return "\n".join(lines)


def source_words(facts: ReleaseFacts) -> list[str]:
    """Of adjudicated labels, how many rows say what a reviewer decided."""
    if facts.settings.labels != "adjudicated":
        return []
    sources = dict(facts.sources)
    decided, majority = (counted(sources.get(key, 0), "row") for key in ("decision", "majority"))
    return [f"- {decided} from reviewers' decisions, {majority} from the majority of the judgments."]


def pair_choices(settings: ReleaseSettings) -> list[str]:
    """What the settings say of pairs, where they say anything."""
    lines = []
    if settings.criterion != OVERALL:
        lines.append(f"- The labels are the answers on the criterion `{settings.criterion}`.")
    if settings.min_agreement:
        lines.append(f"- At least {settings.min_agreement:.0%} of a pair's judgments say the same.")
    if settings.ranking_pairs != "all":
        lines.append(f"- Of a ranking the pairs are {RANKING_STORIES[settings.ranking_pairs]}.")
    if settings.in_both_orders:
        lines.append(
            "- Against the place where a completion stood: a pair that was shown side by side is kept only where those "
            "who saw it the one way and those who saw it the other way, taken apart, lean to the same completion."
        )
    if settings.is_length_balanced:
        lines.append(
            "- Against length: within each side of the split, and each class of how much two lengths differ (by "
            "characters), rows were left out until as many have the longer completion chosen as the shorter. So the "
            "rows are no sample of what was judged."
        )
    return lines


def judgment_choices(facts: ReleaseFacts) -> list[str]:
    """What the settings say of judgments, where they say anything."""
    settings, lines = facts.settings, []
    if settings.since or settings.before:
        limits = [f"from {settings.since}"] * bool(settings.since) + [f"before {settings.before}"] * bool(
            settings.before
        )
        lines.append(f"- Judgments made {' and '.join(limits)}.")
    if settings.guidelines:
        versions = ", ".join(map(str, settings.guidelines))
        lines.append(f"- Judgments made under guideline versions {versions} only.")
    if settings.paused == "exclude":
        lines.append("- None by people who were paused when the release was cut.")
    if settings.max_lean is not None:
        lines.append(
            f"- None by people who surely (Wilson's 95 % interval) prefer the place shown first more than "
            f"{0.5 + settings.max_lean:.0%} or less than {0.5 - settings.max_lean:.0%} of the time: "
            f"{counted(facts.leaning, 'annotator')} left out."
        )
    return lines


def dropped_words(dropped: Mapping[str, int]) -> list[str]:
    """For each reason, how many pairs of completions gave no row: "3 pairs left out as a tie"."""
    return [f"{counted(number, 'pair')} {DROPPED_STORIES[key]}" for key, number in dropped.items() if number]


ASKED = {
    "pairwise": "People saw two completions side by side and said which is better.",
    "ranking": "People ranked all completions; two of them with different ranks are a pair.",
    "rating": "People rated each completion by itself; each two with different values are a pair.",
    "demonstration": "People wrote the assistant's next message themselves; each text is one person's.",
    "critique": "People named the principles that a completion breaks, said why, and edited it. A changed revision is "
    "preferred over the completion by the person who wrote it; no second person compared the two.",
}
