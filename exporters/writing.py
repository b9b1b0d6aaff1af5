"""Writing the files of one format of a release, and putting them where Django keeps files."""

from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from django.core.files import File
from django.core.files.storage import default_storage

from annotation.jobs import JobFailed
from annotation.models import Job
from exporters.card import dataset_card, manifest
from exporters.chat_check import checked, rendered
from exporters.chat_template import ChatTemplate, TemplateRefused, TemplateStopped
from exporters.checksums import checksums
from exporters.content import SelectedContent
from exporters.croissant import croissant
from exporters.datasheet import datasheet
from exporters.facts import ReleaseFacts
from exporters.files import WrittenFile, write_dataset, write_text
from exporters.formats import export_formats
from exporters.models import Release, ReleaseFile


def write_format(folder: Path, key: str, facts: ReleaseFacts, content: SelectedContent) -> list[WrittenFile]:
    """All files of one format: data, the texts about it, manifest.json, and SHA256SUMS over those."""
    export_format = export_formats.get(key)
    if export_format.refusal:
        raise JobFailed(export_format.refusal)
    records = checked(export_format.records(content), content.warn)
    try:
        with ExitStack() as stack:
            if facts.settings.chat_template:
                template = stack.enter_context(ChatTemplate(facts.settings.chat_template))
                records = rendered(records, template, content.warn)
            files = write_dataset(folder, export_format.schema, records)
    except (TemplateRefused, TemplateStopped) as error:
        raise JobFailed(f"The chat template cannot be used: {error}. Mend it, or cut without it.") from error
    if not files:
        raise JobFailed(f"There is no {export_format.unit} in what was judged, so {key} has nothing to hold.")
    facts = replace(facts_of_format(facts, files), warnings=content.warnings())
    texts = {
        "README.md": dataset_card(facts, export_format),
        "DATASHEET.md": datasheet(facts, export_format),
        "croissant.json": croissant(facts, export_format, files),
    }
    files += [write_text(folder, name, text, "text") for name, text in texts.items()]
    files.append(write_text(folder, "manifest.json", manifest(facts, export_format, files), "text"))
    sums = checksums((file.path, file.sha256) for file in files)
    return [*files, write_text(folder, "SHA256SUMS", sums, "text")]


def facts_of_format(facts: ReleaseFacts, files: Sequence[WrittenFile]) -> ReleaseFacts:
    """The facts with the rows that this format wrote: a preference is no written text, and the other way round."""
    rows: Counter[str] = Counter()
    for file in files:
        rows[file.split] += file.rows if file.type == "parquet" else 0
    splits = tuple((side, rows[side], prompts if rows[side] else 0) for side, _, prompts in facts.splits)
    return replace(facts, splits=splits)


def store_file(
    release: Release, job: Job, key: str, folder: Path, written: WrittenFile, prefix: str
) -> ReleaseFile:
    """Put a file where Django keeps files. Each run has a folder of its own, so no run spoils another's."""
    wanted = f"releases/{release.project_id}/{release.pk}/{job.attempts}/{key}/{written.path}"
    with (folder / written.path).open("rb") as file:
        name = default_storage.save(wanted, File(file))
    return ReleaseFile(
        release=release,
        name=f"{prefix}{written.path}",
        format=key,
        split=written.split,
        rows=written.rows,
        size=written.size,
        sha256=written.sha256,
        storage_name=name,
    )
