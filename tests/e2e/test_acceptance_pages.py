"""What no page of an annotator tells, what no page holds, and that every quality figure says how sure it is.

Read as bytes, of every kind of judgment, for pages and for the fragments that the script asks for.
"""

import re
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Assignment, Judgment, Membership
from tests.annotation.browsing import signed_in
from tests.comparisons.test_agreement_reports import computed, judged
from tests.factories import World, make_world
from tests.test_permissions import PAGES, People, people  # noqa: F401  (a fixture)

pytestmark = pytest.mark.django_db

CRITERIA = [{"key": "clarity", "name": "Clarity"}]
KINDS: dict[str, dict[str, Any]] = {
    "pairwise": {"points": 7, "criteria": CRITERIA},
    "ranking": {},
    "rating": {"criteria": CRITERIA},
    "demonstration": {},
    "critique": {"criteria": [{"name": "Honest"}]},
}
COMPLETIONS = {"pairwise": 2, "ranking": 3, "rating": 2, "demonstration": 0, "critique": 1}
ANSWERS: dict[str, dict[str, Any]] = {
    "pairwise": {"preferred": "A", "strength": 2, "criteria": {"clarity": {"preferred": "A", "strength": 1}}},
    "ranking": {"ranking": [["B"], ["A"], ["C"]]},
    "rating": {"ratings": {label: {"clarity": 3, "overall": 4} for label in "AB"}},
    "demonstration": {"text": "Text-of-another."},
    "critique": {"principles": ["honest"], "critique": "Text-of-another.", "revision": "Changed by another."},
}
FORMS: dict[str, dict[str, Any]] = {
    "pairwise": {"q-clarity": "-1", "q-overall": "2"},
    "ranking": {f"rank-overall-{label}": place for place, label in enumerate("ABC", start=1)},
    "rating": {f"rating-{label}-{key}": 3 for label in "AB" for key in ("clarity", "overall")},
    "demonstration": {"text": "My message."},
    "critique": {"principles": "honest", "critique": "Wrong.", "revision": "Right."},
}
FLAG = re.compile(
    r"model-\d|row-\d|secret-|gold|repeat|honeypot|simulated|\breference\b|-of-another|by another", re.I
)
COUNT = re.compile(r"\b\d[\d,.  ]*\s?(words?|characters?|tokens?|letters)\b", re.I)
INLINE = re.compile(r"<[^>]*\s(style|on[a-z]+|srcdoc)\s*=|<style|<script(?![^>]*\ssrc=)|javascript:", re.I)


def judged_by_another(kind: str) -> tuple[World, Membership]:
    world = make_world({"kind": kind, "overlap": 3} | KINDS[kind])
    world.now = timezone.now()
    batch = world.batch(0)
    for number in (1, 2, 3):
        texts = [f"Sort the pairs, then sweep once, {number}.{at}" for at in range(COMPLETIONS[kind])]
        world.item(
            batch,
            number,
            texts,
            metadata={"source": "secret-source"},
            reference=1 if kind == "pairwise" else None,
        )
    another = world.member(is_simulated=True)
    for _ in range(3):
        world.submit(world.lease(another), ANSWERS[kind], note="A note-of-another.")
    return world, another


def fields_of(text: str) -> dict[str, str]:
    names = ("submission_id", "attempt", "csrfmiddlewaretoken")
    return {name: re.search(f'name="{name}" value="([^"]*)"', text)[1] for name in names}  # type: ignore[index]


@pytest.mark.parametrize("kind", KINDS)
def test_no_byte_tells_a_model_a_flag_a_length_or_what_another_said(kind: str) -> None:
    world, another = judged_by_another(kind)
    annotator = world.member()
    client, base = signed_in(annotator.user), f"/projects/{world.project.slug}"
    told: dict[str, str] = {}

    def read(name: str, response: Any, status: int = 200) -> str:
        assert response.status_code == status, (name, response.status_code)
        told[name] = f"{response.headers}\n{response.content.decode()}"
        return told[name]

    for name, path in {"home": "/", "guide": f"{base}/guide", "invitation": f"{base}/task"}.items():
        read(name, client.get(path))
    url = client.post(f"{base}/lease").headers["Location"]
    text = read("task", client.get(url))
    assert "Sort the pairs" in text or kind == "demonstration"
    read("fragment", client.get(url, headers={"HX-Request": "true"}))
    showing = re.search(r'data-showing="([^"]*)"', text)
    assert showing is not None
    spare = client.post(
        f"{base}/spare", {"kind": kind, "showing": showing[1]}, headers={"HX-Request": "true"}
    )
    assert 'id="spare"' in read("spare", spare)
    if kind == "pairwise":
        read("differences", client.post(f"{url}/differences"))
    if kind == "critique":
        read("changes", client.post(f"{url}/preview", fields_of(text) | FORMS[kind]))
    refused = client.post(f"{url}/judgments", fields_of(text), headers={"HX-Request": "true"})
    read("refused", refused, 422)
    reply = client.post(f"{url}/judgments", fields_of(text) | FORMS[kind], headers={"HX-Request": "true"})
    assert reply.status_code < 300, reply.content.decode()
    read("reply", reply, reply.status_code)
    own = Judgment.objects.get(annotator=annotator)
    read("correction", client.get(f"/judgments/{own.pk}/corrections"))
    for show in ("submitted", "drafts", "returned", "skipped"):
        read(show, client.get(f"{base}/work?show={show}"))
    for name, path in {"break": f"{base}/break", "settings": "/settings"}.items():
        read(name, client.get(path))
    for _ in range(2):
        world.submit(world.lease(annotator), ANSWERS[kind])
    read("done", client.get(f"{base}/done"))

    names = re.compile("|".join(map(re.escape, (another.pseudonym, another.user.email))))
    for name, text in told.items():
        for what in (FLAG, COUNT, INLINE, names):
            found = what.search(text)
            assert found is None, (name, text[max(0, found.start() - 60) : found.end() + 30])
    assert Assignment.objects.filter(annotator=annotator, state="submitted").count() == 3


def test_the_searches_find_what_they_are_for() -> None:
    """The control."""
    for text in ("model-0", 'data-gold="1"', "repeat", "row-77", "a note-of-another"):
        assert FLAG.search(text)
    for text in ("120 words", "1,024 characters", "<b>88</b> 90 tokens", "1 word"):
        assert COUNT.search(text)
    for text in (
        '<p style="x">',
        "<img onerror=x>",
        "<script>x",
        "<a href=javascript:x>",
        '<b class="a" onclick = "x">',
    ):
        assert INLINE.search(text)
    assert not INLINE.search('<script type="module" src="/x.js"></script><p data-style="a">on=</p>')


@pytest.mark.parametrize(
    "name", [name for name, rows in PAGES.items() if any(row.method == "GET" for row in rows)]
)
def test_no_page_has_a_style_or_a_handler_of_its_own(name: str, people: People) -> None:  # noqa: F811
    who = next(
        iter(sorted(next(row.who for row in PAGES[name] if row.method == "GET") & people.users.keys()))
    )
    client = Client()
    client.force_login(people.users[who], backend="django.contrib.auth.backends.ModelBackend")
    response = client.get(people.address(name), follow=True)
    if name == "release_file":
        assert response.headers["Content-Disposition"].startswith("attachment")
        return
    assert response.status_code == 200
    found = INLINE.search(response.content.decode())
    assert found is None, found


@pytest.mark.parametrize(("items", "tells"), [(40, "interval"), (3, "how much is missing")])
def test_every_quality_figure_has_an_interval_or_says_how_much_is_missing(items: int, tells: str) -> None:
    world = judged(items)
    page = signed_in(world.lead).get(f"/projects/{world.project.slug}").content.decode()
    assert "α</th>" not in page and "Not computed yet" in page
    computed(world)
    page = signed_in(world.lead).get(f"/projects/{world.project.slug}").content.decode()
    rows = re.findall(r'<tr>\s*<th scope="row" data-l="Criterion">.*?</tr>', page, re.S)
    assert len(rows) == 2
    for row in rows:
        has_interval = re.search(r"\[−?-?\d\.\d\d, \d\.\d\d\]", row) is not None
        has_gap = re.search(r"Needs \d+ shared items, has \d+\.", row) is not None
        assert (has_interval, has_gap) == (tells == "interval", tells != "interval"), row
