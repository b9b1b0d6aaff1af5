"""What a release's card tells of the judgments behind it: agreement, leanings, texts shown, licence, changes."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from annotation.services.projects import publish_consent_text, publish_guideline
from exporters.card_figures import agreement_line, leaning_line, quoted
from exporters.facts import Agreement, Leaning, Told
from exporters.models import Release
from tests.exporters.format_worlds import agreed
from tests.exporters.releases import PREFER_FIRST, PREFER_SECOND, contents, cut, judge_item, judged_world
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)

ALL_TRAIN = {"split": {"train": 1}}


def card(release: Release) -> str:
    return contents(release)["README.md"].decode()


def cut_card(world: World, body: dict[str, Any] | None = None) -> str:
    release, job = cut(world, ALL_TRAIN | (body or {}))
    assert job.error is None, job.error
    return card(release)


def test_the_card_gives_agreement_with_its_interval() -> None:
    """30 items, both people say the same on 24 of them: α by the formula for two coders without missing values."""
    same = [PREFER_FIRST, PREFER_SECOND] * 12
    world = judged_world([[*same, *[PREFER_FIRST] * 6], [*same, *[PREFER_SECOND] * 6]])
    release, _ = cut(world, ALL_TRAIN)
    [figure] = release.manifest["figures"]["agreement"]
    # Krippendorff (2011): α = 1 − (n − 1) · o / (n₁ · n₂) with n = 60 values, 30 of each, and o = 12 unlike pairs.
    assert figure["value"] == pytest.approx(1 - 59 * 6 / (30 * 30), abs=5e-4)
    assert figure["low"] < figure["value"] < figure["high"]
    assert (figure["raw"], figure["items"], figure["judgments"]) == (0.8, 30, 60)
    text = card(release)
    assert "## Agreement" in text and "| `overall` | pairwise | 0.61 |" in text
    assert "| 80.0% | 30 | 60 |" in text


def test_where_there_is_too_little_the_card_says_so_and_prints_no_number() -> None:
    text = cut_card(judged_world([[-1, 1]]))
    line = next(line for line in text.splitlines() if line.startswith("| `overall`"))
    assert line.split("|")[3].strip() == "–" and "items" in line.split("|")[4]


def test_figures_are_of_the_judgments_that_the_settings_choose() -> None:
    world = judged_world([[-1] * 12, [-1] * 12])
    first = world.project.batches.get()
    world.batch(items=12, overlap=2)
    for _ in range(2):
        person = world.member()
        for _ in range(12):
            judge_item(world, person, 1)
    release, _ = cut(world, ALL_TRAIN | {"filters": {"batches": [first.number]}})
    [figure] = release.manifest["figures"]["agreement"]
    assert figure["judgments"] == 24 and release.manifest["figures"]["of"] == 12


def test_labels_that_came_with_the_data_have_no_figures_of_judgments() -> None:
    world = judged_world([[-1]])
    world.item(world.project.batches.get(), 2, ["Yes.", "No."], reference=1)
    release, job = cut(world, ALL_TRAIN | {"labels": "reference"})
    assert job.error is None and release.manifest["figures"] is None
    assert "## Agreement" not in card(release)


def test_leanings_stand_with_what_one_step_of_them_is() -> None:
    figure = Leaning("length", 4.25, 1.5, 7.0, 300, "")
    assert leaning_line(figure) == "| it is twice as long | +4.2 | +1.5 to +7.0 | 300 |"
    assert leaning_line(replace(figure, value=None, reason="Needs 30\nitems.")) == (
        "| it is twice as long | – | Needs 30 items. | 300 |"
    )
    agreement = Agreement("kind", "rating", 0.5, 0.4, 0.6, None, 7, 14, "")
    assert agreement_line(agreement) == "| `kind` | rating | 0.50 | 0.40 to 0.60 | – | 7 | 14 |"


def test_the_texts_that_people_were_shown_stand_in_the_card_as_quotations() -> None:
    world = make_world(consent="We keep it.")
    world.batch(items=2, overlap=1)
    judge_item(world, agreed(world), 1)
    later = NOW + timedelta(hours=1)
    publish_guideline(project=world.project, actor=world.lead, text="# Anew\n\nBe kind.", now=later)
    publish_consent_text(project=world.project, actor=world.lead, text="We sell it.", now=later)
    text = cut_card(world)
    assert "### Guideline, version 1" in text
    assert "Be kind." not in text, "nothing was judged under it"
    assert "### Consent text, version 1\n\n> We keep it.\n" in text
    assert "We sell it." not in text, "nobody has agreed to it"
    assert quoted("Guideline", Told(2, "# Anew\n\nBe kind.\n")) == (
        "### Guideline, version 2\n\n> # Anew\n>\n> Be kind.\n"
    )


def test_the_licence_is_told_where_one_is_named() -> None:
    world = judged_world([[-1, 1]])
    assert "license: unknown" in cut_card(world)
    release, _ = cut(world, ALL_TRAIN | {"license": "cc-by-4.0"})
    files = contents(release)
    assert "license: cc-by-4.0" in card(release)
    assert json.loads(files["croissant.json"])["license"] == "cc-by-4.0"
    assert "Licence: cc-by-4.0." in files["DATASHEET.md"].decode()


# Changes


def judged_more(world: World, preference: int) -> None:
    judge_item(world, world.member(), preference)


def test_the_card_counts_what_changed_since_the_release_before() -> None:
    world = judged_world([[-1, 1, -1]])
    cut(world, ALL_TRAIN)
    world.batch(items=2, overlap=1)
    judged_more(world, 1)
    later, job = cut(
        world, ALL_TRAIN | {"filters": {"min_judgments": 1, "languages": []}, "labels": "mean_strength"}
    )
    assert job.error is None
    assert later.manifest["changes"] == {
        "before": "1",
        "same": 3,
        "added": 1,
        "gone": 0,
        "relabelled": 0,
        "moved": 0,
        "settings": [{"setting": "labels", "before": "majority", "now": "mean_strength"}],
    }
    text = card(later)
    assert "## Changes since release 1" in text
    assert "- 3 rows are the same, 1 new, 0 gone; 0 have another label and 0 lie on another side" in text
    assert "- Setting `labels`: 'majority' then, 'mean_strength' now." in text


def test_labels_and_sides_that_changed_are_counted_and_rows_that_went() -> None:
    world = judged_world(
        [[-1, 1, 2, -2, 1, -1, 1, 1]], protocol={"kind": "pairwise", "points": 7, "overlap": 1}
    )
    cut(world, {"labels": "mean_strength", "split": {"train": 1}})
    world.batch(items=1, overlap=1)
    judged_more(world, 1)
    later, _ = cut(world, {"labels": "majority", "split": {"test": 1}, "filters": {"batches": [1]}})
    changes = later.manifest["changes"]
    assert (changes["added"], changes["gone"], changes["moved"]) == (0, 0, 8)
    assert changes["relabelled"] == 2, "two had a strength of 2, which is no share of votes"
    gone, _ = cut(world, {"filters": {"batches": [2]}})
    judged = gone.manifest["changes"]
    assert judged["before"] == "1" and (judged["gone"], judged["added"]) == (8, 1)


def test_one_state_cut_twice_has_one_predecessor() -> None:
    world = judged_world([[-1, 1]])
    first, _ = cut(world, ALL_TRAIN)
    second, _ = cut(world, ALL_TRAIN)
    assert first.manifest["changes"] is None and second.manifest["changes"] is None
    assert contents(first) == contents(second)


def test_the_manifest_holds_no_time() -> None:
    world = judged_world([[-1, 1]])
    release, _ = cut(world)
    assert str((NOW + timedelta(days=1)).year) not in card(release)
