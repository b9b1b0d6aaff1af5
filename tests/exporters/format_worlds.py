"""Worlds for the tests of export formats: one project with a batch of every kind, and the records of a release."""

from collections.abc import Mapping
from io import BytesIO
from typing import Any

import pyarrow.parquet as pq

from annotation.models import Batch, Lease, Membership
from annotation.services.leases import lease_next
from annotation.services.people import give_consent
from annotation.services.projects import publish_protocol
from exporters.formats import export_formats
from exporters.models import Release
from tests.exporters.releases import contents, cut, lines_of
from tests.factories import NOW, World, make_world

KINDS: dict[str, tuple[dict[str, Any], int]] = {
    "pairwise": ({"kind": "pairwise", "points": 7, "overlap": 1}, 2),
    "ranking": ({"kind": "ranking", "overlap": 1}, 3),
    "rating": ({"kind": "rating", "overlap": 1}, 1),
    "demonstration": ({"kind": "demonstration"}, 0),
    "critique": ({"kind": "critique", "criteria": ["Honest", "Kind"]}, 1),
}
"""Protocol and number of completions of each kind."""
CUTTABLE = [key for key, export_format in export_formats if not export_format.refusal]


def world_of_all_kinds(items: int, consent: str = "Agree?") -> tuple[World, dict[str, Batch]]:
    """A project with one batch of `items` items for each kind; nothing is judged."""
    world = make_world(KINDS["pairwise"][0], consent=consent)
    batches = {}
    for kind, (protocol, completions) in KINDS.items():
        if kind != "pairwise":
            publish_protocol(project=world.project, actor=world.lead, settings=protocol, now=NOW)
        batches[kind] = world.batch(items=items, completions=completions)
    return world, batches


def agreed(world: World) -> Membership:
    member = world.member()
    give_consent(annotator=member, now=NOW)
    return member


def lease_in(batch: Batch, annotator: Membership) -> Lease:
    lease = lease_next(annotator=annotator, now=NOW, seed=1, batch=batch).lease
    assert lease is not None
    return lease


def some_answer(lease: Lease) -> dict[str, Any]:
    """An answer of the lease's kind; what is written names the judgment's slot."""
    protocol = lease.assignment.batch.protocol
    keys = [criterion.key for criterion in protocol.criteria.all()]
    word = f"Written for {lease.assignment.item.external_id}."
    answers: dict[str, dict[str, Any]] = {
        "pairwise": {"preferred": "A", "strength": 2},
        "ranking": {"ranking": [["A"], ["B"], ["C"]]},
        "rating": {"ratings": {"A": dict.fromkeys(keys, 3)}},
        "demonstration": {"text": word},
        "critique": {"principles": ["kind"], "critique": "Curt.", "revision": word},
    }
    return answers[protocol.kind]


def records(release: Release, prefix: str = "", side: str = "train") -> list[dict[str, Any]]:
    """The records of one side, from the JSONL file; the Parquet file must hold the same."""
    files = contents(release)
    found = lines_of(files[f"{prefix}{side}-00000-of-00001.jsonl.gz"])
    table = pq.read_table(BytesIO(files[f"{prefix}{side}-00000-of-00001.parquet"]))
    assert table.to_pylist() == found
    return found


def cut_as(world: World, key: str, body: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    """The records of a release in one format, all in train."""
    release, job = cut(world, {"split": {"train": 1}, "formats": [key]} | dict(body or {}))
    assert job.error is None, job.error
    return records(release)


def message(text: str, role: str = "assistant") -> dict[str, str]:
    return {"role": role, "content": text}
