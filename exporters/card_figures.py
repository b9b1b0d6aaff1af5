"""The card's account of the judgments behind a release: agreement, leanings, texts shown, changes. Pure; no Django."""

from __future__ import annotations

from exporters.facts import Agreement, Changes, Figures, Leaning, ReleaseFacts, Told
from exporters.words import counted, one_line

TRAITS = {
    "position": "it stands first on the screen",
    "length": "it is twice as long",
    "markdown": "it has twice as many marks of formatting",
    "confidence": "it has one more sure phrase, less hedges, in 100 words (English)",
}
"""What one step of a trait is (`comparisons.bias.traits`)."""


def judgment_figures(facts: ReleaseFacts) -> str:
    """The sections on agreement and leanings; empty where a release knows of neither."""
    figures = facts.figures
    if figures is None or not figures.agreement:
        return ""
    parts = [f"## Agreement\n\n{agreement_table(figures)}\n"]
    if figures.leanings:
        parts.append(f"## Known leanings\n\n{leaning_table(figures)}\n")
    return "\n".join(parts)


def agreement_table(figures: Figures) -> str:
    story = (
        "Krippendorff's ordinal α with its 95 % interval (percentile bootstrap over items), and the share of pairs of "
        "judgments that say exactly the same, by these annotators. They rest on every judgment that the filters let "
        f"through, of {sample_words(figures)}, whether its pair gave a row or not."
    )
    lines = [
        story,
        "",
        "| Criterion | Kind | α | 95 % interval | Same answer | Items | Judgments |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    return "\n".join([*lines, *map(agreement_line, figures.agreement)])


def agreement_line(figure: Agreement) -> str:
    same = "–" if figure.raw is None else f"{figure.raw:.1%}"
    counts = f"{figure.items:,} | {figure.judgments:,}"
    if figure.value is None or figure.low is None or figure.high is None:
        return f"| `{figure.criterion}` | {figure.kind} | – | {one_line(figure.reason)} | {same} | {counts} |"
    interval = f"{figure.low:.2f} to {figure.high:.2f}"
    return f"| `{figure.criterion}` | {figure.kind} | {figure.value:.2f} | {interval} | {same} | {counts} |"


def leaning_table(figures: Figures) -> str:
    story = (
        "By how many percentage points a completion is preferred more often where everything else is the same, from "
        "one logistic regression of the overall pairwise preference, with errors clustered by item. Only the place is "
        "drawn at random, so only its effect is a cause; a longer answer may simply be the better one."
    )
    lines = [
        story,
        "",
        "| Where | Percentage points | 95 % interval | Items |",
        "| --- | ---: | ---: | ---: |",
    ]
    return "\n".join([*lines, *map(leaning_line, figures.leanings)])


def leaning_line(figure: Leaning) -> str:
    words = TRAITS.get(figure.trait, figure.trait)
    if figure.value is None or figure.low is None or figure.high is None:
        return f"| {words} | – | {one_line(figure.reason)} | {figure.items:,} |"
    return f"| {words} | {figure.value:+.1f} | {figure.low:+.1f} to {figure.high:+.1f} | {figure.items:,} |"


def sample_words(figures: Figures) -> str:
    if figures.items == figures.of:
        return counted(figures.of, "judged item")
    return f"{figures.items:,} of the {figures.of:,} judged items, drawn by the seed of the split"


def texts_shown(facts: ReleaseFacts) -> str:
    """What annotators were asked to do and agreed to, word for word."""
    parts = [quoted("Guideline", told) for told in facts.guideline_texts]
    parts += [quoted("Consent text", told) for told in facts.consent_texts]
    return "## What annotators were told\n\n" + "\n".join(parts) if parts else ""


def quoted(title: str, told: Told) -> str:
    """As a quotation, so that no heading of the text becomes one of the card."""
    lines = (f"> {line}".rstrip() for line in told.text.strip().splitlines() or ["(empty)"])
    return f"### {title}, version {told.number}\n\n" + "\n".join(lines) + "\n"


def change_list(changes: Changes | None) -> str:
    if changes is None:
        return ""
    counts = (
        f"- {changes.same:,} rows are the same, {changes.added:,} new, {changes.gone:,} gone; {changes.relabelled:,} "
        f"have another label and {changes.moved:,} lie on another side of the split."
    )
    lines = [
        counts,
        *(f"- Setting `{name}`: {one!r} then, {other!r} now." for name, one, other in changes.settings),
    ]
    return (
        f"## Changes since release {changes.before}\n\nThe newest release from an earlier state of the judgments.\n\n"
        + "\n".join(lines)
        + "\n"
    )
