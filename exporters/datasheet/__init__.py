"""DATASHEET.md: the questions of "Datasheets for Datasets", answered as far as a release knows. Pure; no Django.

Questions: T. Gebru, J. Morgenstern, B. Vecchione, J. Wortman Vaughan, H. Wallach, H. Daumé III, K. Crawford,
"Datasheets for Datasets", Communications of the ACM 64(12), 2021, pages 86–92. What only the people behind a project
can know is "Not stated."; they fill it in where they publish. As in the card there is no date and no version.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from exporters.card import opening, split_story, split_table
from exporters.card_labels import dropped_words, label_story
from exporters.facts import ReleaseFacts
from exporters.formats import ExportFormat
from exporters.words import counted, one_line

NOT_STATED = "Not stated."
INTRODUCTION = (
    "The questions are those of Gebru et al., *Datasheets for Datasets*, CACM 64(12), 2021. The answers are what the "
    f'release itself knows. "{NOT_STATED}" is for the people behind the project to fill in.\n'
)
Answer = Callable[[ReleaseFacts, ExportFormat], str]


def datasheet(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    parts = [
        f"# Datasheet for {one_line(facts.name)}\n",
        INTRODUCTION,
    ]
    for section, questions in SECTIONS.items():
        parts.append(f"## {section}\n")
        for question in questions:
            answer = ANSWERS.get(question)
            text = answer(facts, export_format).strip() if answer else NOT_STATED
            parts.append(f"### {question}\n\n{text}\n")
    return "\n".join(parts)


def purpose(facts: ReleaseFacts, _: ExportFormat) -> str:
    return facts.description.strip() or NOT_STATED


def instances(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    written = f" The languages given are {', '.join(facts.languages)}." if facts.languages else ""
    return (
        f"Each row is one {export_format.unit}: a conversation with a language model, and what people judged or wrote "
        f"about its continuation.{written}"
    )


def how_many(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    return opening(replace(facts, description=""), export_format.unit)


def sample(facts: ReleaseFacts, _: ExportFormat) -> str:
    settings, chosen = facts.settings, []
    if settings.batches:
        chosen.append(f"batches {', '.join(map(str, settings.batches))}")
    if settings.languages:
        chosen.append(f"languages {', '.join(settings.languages)}")
    if settings.min_judgments > 1:
        chosen.append(f"at least {settings.min_judgments} judgments")
    text = (
        f"It was chosen from the items of the project: {'; '.join(chosen)}."
        if chosen
        else "It takes in all items of the project that had been judged when it was cut."
    )
    dropped = dropped_words(dict(facts.dropped))
    return f"{text} {'; '.join(dropped).capitalize()}." if dropped else text


def columns(_: ReleaseFacts, export_format: ExportFormat) -> str:
    return "".join(f"- `{name}`: {meaning}\n" for name, meaning in export_format.columns.items())


def noise(facts: ReleaseFacts, _: ExportFormat) -> str:
    found = [f"- {warning}." for warning in facts.warnings]
    found.append(
        f"- {counted(facts.items, 'item')} in {counted(facts.clusters, 'cluster')} of prompts that lie on one side "
        f"together; the largest holds {counted(facts.largest_cluster, 'item')}."
    )
    return "\n".join(found)


def self_contained(_: ReleaseFacts, __: ExportFormat) -> str:
    return "All texts are in the files. What a text itself points at (an address, say) was not followed."


def individuals(_: ReleaseFacts, export_format: ExportFormat) -> str:
    names = [name for name in export_format.columns if name == "annotator"]
    text = "Annotators appear under a pseudonym of the project." if names else "No column names an annotator."
    if export_format.holds_words:
        text += " Texts that an annotator wrote may be among the rows."
    return f"{text} What the texts themselves say about people was not examined."


def mechanisms(facts: ReleaseFacts, _: ExportFormat) -> str:
    shown = f" under guideline version{'s' if len(facts.guidelines) > 1 else ''} "
    shown = shown + ", ".join(map(str, facts.guidelines)) if facts.guidelines else ""
    return (
        f"Judgments were made in Concord, an annotation platform,{shown}. Each is stored once, is never changed, and "
        "is covered by a chained audit log."
    )


def sampling(facts: ReleaseFacts, _: ExportFormat) -> str:
    return (
        "Deterministic: every judged item that passes the settings is in. The settings are in `manifest.json`. Which "
        "items the project itself collected: not stated."
    )


def who(facts: ReleaseFacts, _: ExportFormat) -> str:
    simulated = (
        f" {facts.simulated_judgments:,} of the judgments were simulated by a program."
        if facts.simulated_judgments
        else ""
    )
    return f"{counted(facts.annotators, 'annotator')}.{simulated} Compensation: not stated."


def consent(_: ReleaseFacts, __: ExportFormat) -> str:
    return (
        "Annotators: judgments of somebody who has not agreed to the consent text of the project, where it has one, "
        "are left out. Other people that texts speak of: not stated."
    )


def revoking(_: ReleaseFacts, __: ExportFormat) -> str:
    return (
        "What an annotator wrote can be erased on the server; it then leaves the files of releases, too, and the "
        "server answers 410 for them. Copies that were pulled before are not reached."
    )


def raw(_: ReleaseFacts, export_format: ExportFormat) -> str:
    if export_format.reads_judgments:
        return "The rows are the raw data: every judgment as it was stored."
    return (
        "The judgments stay on the server as they were made; a release in the format `judgments` holds them."
    )


def software(_: ReleaseFacts, __: ExportFormat) -> str:
    return "Concord is open source, under the Apache License 2.0."


def uses(_: ReleaseFacts, export_format: ExportFormat) -> str:
    return f"The format is read by {export_format.trainers}."


def impact(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    text = f"The labels are opinions of {counted(facts.annotators, 'annotator')} under the protocols named above."
    if export_format.note:
        text += f" {export_format.note}"
    return text


def not_for(facts: ReleaseFacts, _: ExportFormat) -> str:
    if not facts.simulated_judgments:
        return NOT_STATED
    return "Results on it must not be reported as human preference: judgments in it were simulated."


def licence(facts: ReleaseFacts, _: ExportFormat) -> str:
    return f"Licence: {facts.settings.license}." if facts.settings.license else NOT_STATED


def updated(_: ReleaseFacts, __: ExportFormat) -> str:
    return "This release never changes. Corrections and new items appear in later releases of the project."


def labelling(facts: ReleaseFacts, export_format: ExportFormat) -> str:
    return label_story(facts, export_format)


def splits(facts: ReleaseFacts, _: ExportFormat) -> str:
    return f"{split_table(facts)}\n\n{split_story(facts)}"


def sections(text: str) -> dict[str, tuple[str, ...]]:
    """The questions of each section of `questions.md`; follow-up questions of the paper are left to the answer."""
    found: dict[str, tuple[str, ...]] = {}
    for part in text.split("## ")[1:]:
        title, *lines = part.splitlines()
        found[title] = tuple(line.removeprefix("- ") for line in lines if line)
    return found


SECTIONS = sections((Path(__file__).parent / "questions.md").read_text("utf-8"))

_composition, _collection = SECTIONS["Composition"], SECTIONS["Collection process"]
_cleaning, _uses = SECTIONS["Preprocessing/cleaning/labeling"], SECTIONS["Uses"]
ANSWERS: dict[str, Answer] = {
    SECTIONS["Motivation"][0]: purpose,
    _composition[0]: instances,
    _composition[1]: how_many,
    _composition[2]: sample,
    _composition[3]: columns,
    _composition[4]: labelling,
    _composition[7]: splits,
    _composition[8]: noise,
    _composition[9]: self_contained,
    _composition[13]: individuals,
    _collection[1]: mechanisms,
    _collection[2]: sampling,
    _collection[3]: who,
    _collection[8]: consent,
    _collection[9]: revoking,
    _cleaning[0]: labelling,
    _cleaning[1]: raw,
    _cleaning[2]: software,
    _uses[2]: uses,
    _uses[3]: impact,
    _uses[4]: not_for,
    SECTIONS["Distribution"][3]: licence,
    SECTIONS["Maintenance"][3]: updated,
}
"""What a release can say; every other question is not stated."""
