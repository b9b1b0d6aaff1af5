"""Written texts in releases: what SFT and preference training read of demonstrations and critiques."""

import json
from datetime import timedelta
from typing import Any

import pyarrow.parquet as pq
import pytest
from django.core.files.storage import default_storage

from annotation.answer_words import Words, answer_words
from annotation.models import Job, Judgment
from annotation.services.judgments import Submission, correct_judgment, undo_judgment
from comparisons.erasure import erase_texts
from comparisons.kinds import CRITIQUE
from comparisons.selectors import pairwise_outcomes, written_texts
from exporters.models import Release
from exporters.stream import judgments_json
from tests.comparisons.screens import screen_for
from tests.exporters.releases import contents, cut, judged_world, lines_of
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

ALL_TRAIN = {"split": {"train": 1}}
SFT = ALL_TRAIN | {"formats": ["prompt-completion"]}
ODD = "Ünï \u202e‹×›\n\n| a |\n\x7f\u2028 end\n"
CRITIQUE_PROTOCOL = {"kind": "critique", "criteria": ["Honest", "Kind"]}


def records(release: Release, prefix: str = "") -> list[dict[str, Any]]:
    return lines_of(contents(release)[f"{prefix}train-00000-of-00001.jsonl.gz"])


def message(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def demonstrated(texts: list[str]) -> World:
    world = make_world({"kind": "demonstration"})
    world.batch(items=len(texts), completions=0)
    annotator = world.member()
    for text in texts:
        world.judge(annotator, {"text": text})
    return world


def critiqued() -> World:
    """Item 1: two messages, revised; item 2: fine and left alone."""
    world = make_world(CRITIQUE_PROTOCOL)
    batch = world.batch(items=2, completions=1)
    annotator = world.member()
    world.judge(annotator, {"principles": ["kind"], "critique": "Curt.", "revision": ODD})
    left = {"principles": [], "critique": "Fine.", "revision": "Answer 1.0"}
    world.judge(annotator, left)
    assert batch.items.count() == 2
    return world


def test_demonstrations_become_prompts_and_completions() -> None:
    world = demonstrated(["Sort first.", ODD])
    release, job = cut(world, SFT)
    assert job.state == Job.State.SUCCEEDED, job.error
    first, second = records(release)
    judgments = list(Judgment.objects.order_by("pk"))
    assert first == {
        "id": f"1-1-written-{judgments[0].pk}",
        "item": "row-1",
        "prompt": [{"role": "user", "content": "Question 1.1?"}],
        "completion": message("Sort first."),
        "source": "demonstration",
        "protocol": "demonstration v1",
    }
    assert second["completion"] == message(ODD)
    assert release.judgments == 2
    assert release.manifest["rows"] == 2


def test_both_types_hold_the_same_records() -> None:
    release, _ = cut(demonstrated(["Sort first.", ODD]), SFT)
    stored = release.files.get(name="train-00000-of-00001.parquet")
    with default_storage.open(stored.storage_name, "rb") as file:
        table = pq.read_table(file)
    assert table.to_pylist() == records(release)
    assert not {"image", "images"} & set(table.column_names)
    assert all(value is not None for record in table.to_pylist() for value in record.values())


def test_a_changed_revision_is_preferred_and_both_are_texts() -> None:
    release, job = cut(critiqued(), ALL_TRAIN | {"formats": ["preference", "prompt-completion"]})
    assert job.state == Job.State.SUCCEEDED, job.error
    [pair] = records(release, "preference/")
    assert pair["chosen"] == message(ODD)
    assert pair["rejected"] == message("Answer 0.0")
    assert pair["protocol"] == "critique v1"
    texts = records(release, "prompt-completion/")
    assert [(text["completion"], text["source"]) for text in texts] == [
        (message(ODD), "revision"),
        (message("Answer 1.0"), "revision"),
    ]
    cards = {name: data.decode() for name, data in contents(release).items() if name.endswith("README.md")}
    assert "1 preference pairs over" in cards["preference/README.md"]
    assert "2 written texts over" in cards["prompt-completion/README.md"]
    assert '[0]["completion"]' in cards["prompt-completion/README.md"]
    assert "no second person compared the two" in cards["preference/README.md"]
    manifests = {
        name: json.loads(data) for name, data in contents(release).items() if name.endswith("manifest.json")
    }
    assert manifests["prompt-completion/manifest.json"]["splits"]["train"]["rows"] == 2
    assert manifests["preference/manifest.json"]["splits"]["train"]["rows"] == 1


def test_a_revision_replaces_the_last_message_only() -> None:
    world = make_world(CRITIQUE_PROTOCOL)
    batch = world.batch(items=0)
    world.item(batch, 1, ["Second."])
    conversation = [*message("First."), {"role": "user", "content": "And?"}, *message("Second.")]
    other = world.item(batch, 2, [])
    other.completions.create(position=0, messages=conversation, content_hash="0" * 64, source_line=2)
    annotator = world.member()
    for _ in range(2):
        world.judge(annotator, {"principles": ["honest"], "critique": "No.", "revision": "Third."})
    release, _ = cut(world, ALL_TRAIN)
    second = records(release)[1]
    assert second["chosen"] == [*conversation[:-1], *message("Third.")]
    assert second["rejected"] == conversation


def test_cutting_twice_gives_the_same_bytes() -> None:
    world = critiqued()
    first, _ = cut(world, SFT)
    second, _ = cut(world, SFT, version="again")
    assert contents(first) == contents(second)


def test_only_the_current_text_counts() -> None:
    world = demonstrated(["Old."])
    judgment = Judgment.objects.get()
    undo = undo_judgment(annotator=judgment.annotator, judgment=judgment)
    assert undo.answer == {"text": "Old."}
    correct_judgment(
        annotator=judgment.annotator,
        judgment=judgment,
        submission=Submission(undo.submission_id, judgment.attempt, {"text": "New."}),
        now=NOW + timedelta(minutes=5),
    )
    release, _ = cut(world, SFT)
    assert [record["completion"] for record in records(release)] == [message("New.")]


def test_a_format_without_a_record_fails_with_a_sentence() -> None:
    _, job = cut(judged_world([[-2, 2]]), SFT)
    assert job.state == Job.State.FAILED
    assert "There is no written text in what was judged" in (job.error or {})["detail"]
    _, job = cut(demonstrated(["Mine."]), ALL_TRAIN)
    assert "There is no preference pair in what was judged" in (job.error or {})["detail"]


def test_erased_texts_leave_releases_and_the_stream() -> None:
    world = demonstrated(["Mine."])
    judgment = Judgment.objects.get()
    erase_texts(annotator=judgment.annotator, actor=world.lead, now=NOW)
    assert list(written_texts(Judgment.objects.all())) == []
    assert judgments_json([judgment])[0]["answers"] == {"overall": {"erased": True}}
    _, job = cut(world, SFT)
    assert job.state == Job.State.FAILED


def test_the_stream_carries_the_answers() -> None:
    critiqued()
    revised, left = Judgment.objects.order_by("pk")
    first, second = judgments_json([revised, left])
    assert first["kind"] == "critique"
    assert first["answers"] == {
        "overall": {"completion": 0, "principles": ["kind"], "critique": "Curt.", "revision": ODD}
    }
    assert second["answers"]["overall"]["principles"] == []
    demonstrated(["Mine."])
    assert judgments_json([Judgment.objects.latest("pk")])[0]["answers"] == {"overall": {"text": "Mine."}}


def test_a_critique_is_no_outcome_of_two_completions() -> None:
    critiqued()
    assert list(pairwise_outcomes(Judgment.objects.all())) == []
    assert [text.is_preferred for text in written_texts(Judgment.objects.all())] == [True, False]


def test_written_answers_in_words() -> None:
    criteria = screen_for(CRITIQUE, CRITIQUE_PROTOCOL, [0]).criteria
    answer = {"principles": ["kind"], "critique": "Curt.", "revision": "Thanks."}
    assert answer_words(answer, criteria) == [
        Words("Principles broken", "Kind"),
        Words("Critique", "Curt.", is_written=True),
        Words("Revision", "Thanks.", is_written=True),
    ]
    assert answer_words({"text": "Mine."}, criteria) == [Words("Message", "Mine.", is_written=True)]
    assert answer_words({"text": ""}, criteria)[0].text.startswith("Erased")
