"""The page of two conversations: its script comes with the protocol that asks by turn, and weighs little."""

import re
from pathlib import Path

import pytest
from django.utils import timezone

from tests.annotation.browsing import signed_in
from tests.annotation.weights import collected, gzipped, loaded  # noqa: F401  (a fixture)
from tests.conversations import PER_TURN, add_conversations
from tests.factories import make_world

pytestmark = pytest.mark.django_db


def page_of(protocol: dict[str, object], turns: tuple[int, int] = (4, 4)) -> str:
    world = make_world(protocol)
    world.now = timezone.now()
    add_conversations(world, world.batch(0), 1, turns)
    client = signed_in(world.member().user)
    return client.post(f"/projects/{world.project.slug}/lease", follow=True).content.decode()


def test_scripts_and_styles_of_a_task_by_turn_stay_within_their_budget(collected: Path) -> None:  # noqa: F811
    page = page_of(PER_TURN | {"criteria": ["Clarity"]})
    scripts, styles = loaded(page, "js", collected), loaded(page, "css", collected)
    assert "turns" in {file.name.split(".")[0] for file in scripts}
    print(f"by turn: scripts {gzipped(scripts)} bytes, styles {gzipped(styles)} bytes")
    assert gzipped(scripts) <= 12_000 and gzipped(styles) <= 14_000


def test_only_a_protocol_by_turn_brings_the_script_and_the_questions() -> None:
    plain = page_of({"kind": "pairwise"})
    assert "js/turns" not in plain and 'id="turns"' not in plain and "turn 1 of 7" in plain
    single = page_of(PER_TURN, (1, 1))
    assert "js/turns" in single and 'id="turns"' not in single
    by_turn = page_of(PER_TURN, (3, 2))
    assert sorted(set(re.findall(r'name="(q-overall[^"]*)"', by_turn))) == [
        "q-overall",
        "q-overall-t1",
        "q-overall-t2",
    ]
    assert by_turn.count('class="branch-turn"') == 5
