"""No sentence of an annotator's page is left in English when the page is in Arabic."""

import re
from collections.abc import Mapping
from html.parser import HTMLParser

import pytest
from django.test import Client
from django.utils import timezone

from annotation.models import Lease, Membership
from annotation.services.projects import publish_consent_text, publish_guideline
from annotation.services.returning import release_assignment
from annotation.services.strata import ask_stratum
from tests.annotation.engine.people import train, training_batch
from tests.annotation.test_language import AS_IS, LETTERS, speaks_arabic
from tests.factories import World, make_world

pytestmark = pytest.mark.django_db


class Words(HTMLParser):
    """Every text that a person sees or hears, in `found`. Texts of models and people are left out."""

    SPOKEN = (
        "aria-label",
        "title",
        "placeholder",
        "alt",
        "data-name",
        "data-write",
        "data-lost",
        "data-over",
    )
    VOID = frozenset({"meta", "link", "input", "img", "br", "path", "circle", "rect"})

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.within: list[bool] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        classes = given.get("class", "").split()
        is_left_out = tag in ("script", "style", "kbd") or not {
            "md",
            "raw",
            "answer-text",
            "renewal",
        }.isdisjoint(classes)
        if tag not in self.VOID:
            self.within.append(is_left_out or (bool(self.within) and self.within[-1]))
        names = self.SPOKEN + (tuple(given) if "data-words" in given else ())
        self.found += [given[name] for name in names if name in given]

    def handle_endtag(self, tag: str) -> None:
        if tag not in self.VOID:
            self.within.pop()

    def handle_data(self, data: str) -> None:
        if not (self.within and self.within[-1]):
            self.found.append(" ".join(data.split()))


KNOWN = re.compile(
    r"Concord|English|Project \d+|Batch \d+|row-\d+|Clarity|Brief|Is it easy to follow for the person who asked\?"
    r"|Which response is better on clarity\?|Does the response keep to this: brief\?|Put the responses in order on "
    r"clarity, best first\.|\S+@example\.org|UTC|Ctrl|Enter|Shift|Alt|Esc|Tab|Space|API|TeX|NUL|markdown|min|h\b"
    r"|concord login \S+|concord|read|annotate|manage|Question \d\.\d\?|Answer \d\.\d|The first one adds up\."
)
"""What stays in Latin letters: names of the project, texts of its people, keys, units and technical words."""


def english(page: str) -> list[str]:
    """The texts of a page that have a word in Latin letters which is not KNOWN."""
    return [text for text in Words(page).found if re.search("[A-Za-z]{2,}", KNOWN.sub("", text))]


def check(pages: Mapping[str, str]) -> None:
    for page in pages.values():
        assert "<html" not in page or '<html lang="ar" dir="rtl"' in page
    assert {name: english(page) for name, page in pages.items() if english(page)} == {}


PAIRWISE = {"kind": "pairwise", "points": 8, "criteria": [{"key": "clarity", "name": "Clarity"}]}
KINDS = {
    "pairwise": (PAIRWISE, 2),
    "pairwise with ties": (PAIRWISE | {"points": 7}, 2),
    "ranking": ({"kind": "ranking", "criteria": [{"key": "clarity", "name": "Clarity"}]}, 5),
    "ranking of the best": ({"kind": "ranking", "top": 2}, 4),
    "rating": ({"kind": "rating", "criteria": [{"key": "clarity", "name": "Clarity"}]}, 2),
    "demonstration": ({"kind": "demonstration"}, 0),
    "critique": ({"kind": "critique", "criteria": [{"key": "brief", "name": "Brief"}]}, 1),
}


def lease_page(client: Client, world: World) -> tuple[str, str]:
    """Address and text of the item that the person gets next."""
    reply = client.post(f"/projects/{world.project.slug}/lease", follow=True)
    return reply.redirect_chain[-1][0], reply.content.decode()


def of_lease(url: str) -> dict[str, object]:
    lease = Lease.objects.get(public_id=int(url.rpartition("/")[2]))
    return {"submission_id": lease.submission_id, "attempt": 1}


@pytest.mark.parametrize("kind", KINDS)
def test_judging_pages_have_no_english_left(kind: str) -> None:
    protocol, completions = KINDS[kind]
    world = make_world(protocol)
    world.now = timezone.now()
    world.batch(3, completions=completions)
    client = speaks_arabic(world.member().user)
    url, page = lease_page(client, world)
    refused = client.post(f"{url}/judgments", of_lease(url))
    assert refused.status_code == 422
    fragment = client.post(f"{url}/judgments", of_lease(url), headers={"HX-Request": "true"})
    check({"page": page, "refused": refused.content.decode(), "fragment": fragment.content.decode()})
    assert "css/rtl.css" in page and 'id="errors"' in refused.content.decode()


def test_conversations_and_corrections_have_no_english_left() -> None:
    world = make_world()
    world.now = timezone.now()
    batch = world.batch(0)
    turns = [{"role": role, "content": "…"} for role in ("system", "user", "assistant", "user")]
    world.item(batch, 1, ["A", "B"], prompt=turns)
    client = speaks_arabic(world.member().user)
    url, page = lease_page(client, world)
    answer = {"q-overall": "0", "tie-overall": "both_good"}
    client.post(f"{url}/judgments", of_lease(url) | answer)
    judgment = Membership.objects.get(user__language="ar").judgments.get()
    correction = client.post(f"/judgments/{judgment.pk}/undo", follow=True).content.decode()
    assert "3 أدوار سابقة" in page
    check({"page": page, "correction": correction})


def test_quiet_pages_have_no_english_left() -> None:
    world = make_world()
    world.now = timezone.now()
    world.batch(6, pay_per_item="0.48", pay_currency="GBP")
    annotator, start = world.member(), f"/projects/{world.project.slug}"
    client = speaks_arabic(annotator.user)
    pages = {
        "home": client.get("/"),
        "guide": client.get(f"{start}/guide"),
        "settings": client.get("/settings"),
    }
    for number in range(4):
        world.submit(world.lease(annotator), active_seconds=70.0 * (number + 1))
    lease = world.lease(annotator)
    release_assignment(
        annotator=annotator, assignment=lease.assignment, reason="expertise", now=timezone.now()
    )
    publish_guideline(project=world.project, actor=world.lead, text="…", now=timezone.now())
    publish_consent_text(project=world.project, actor=world.lead, text="…", now=timezone.now())
    pages |= {"guide changed": client.get(f"{start}/guide"), "home, to be read": client.get("/")}
    client.post(f"{start}/guide", {"guideline": "2", "consent": "1"})
    publish_consent_text(project=world.project, actor=world.lead, text="… …", now=timezone.now())
    pages |= {"consent again": client.get(f"{start}/guide")}
    client.post(f"{start}/guide", {"guideline": "2", "consent": "2"})
    pages |= {
        "home again": client.get("/"),
        "break": client.get(f"{start}/break"),
        "task": client.get(f"{start}/task", follow=True),
    }
    pages |= {"on a break": client.post(f"{start}/break", follow=True)}
    for show in ("submitted", "drafts", "returned", "skipped"):
        pages[show] = client.get(f"{start}/work?show={show}")
    pages |= {"tokens": client.get("/settings/tokens"), "not found": client.get("/nowhere")}
    keys = AS_IS | LETTERS | {"key_n": "i"}
    pages |= {"keys refused": client.post("/settings", keys)}
    assert "«الدليل»" in pages["keys refused"].content.decode().replace("\u2068", "").replace("\u2069", "")
    check({name: page.content.decode() for name, page in pages.items()})


def test_the_page_about_oneself_has_no_english_left() -> None:
    world = make_world()
    client, url = speaks_arabic(world.member().user), f"/projects/{world.project.slug}/about-you"
    pages = {"nothing asked": client.get(url)}
    question = ask_stratum(
        project=world.project, actor=world.lead, name="العمر", text="كم عمرك؟", options=["أقل", "أكثر"],
        now=world.now,
    )  # fmt: skip
    field = f"question_{question.pk}"
    pages |= {
        "asked": client.get(url),
        "refused": client.post(url, {field: "9"}),
        "answered": client.post(url, {field: "1"}, follow=True),
        "withdrawn": client.post(url, {"withdraw": "1"}, follow=True),
        "settings": client.get("/settings"),
    }
    check({name: page.content.decode() for name, page in pages.items()})


def test_the_ends_of_work_have_no_english_left() -> None:
    world = make_world()
    world.now = timezone.now()
    world.batch(1, overlap=1, pay_per_item="0.48", pay_currency="GBP")
    annotator, start = world.member(), f"/projects/{world.project.slug}"
    client = speaks_arabic(annotator.user)
    invitation = client.get(f"{start}/task")
    world.submit(world.lease(annotator), active_seconds=90.0)
    pages = {"invitation": invitation, "done": client.get(f"{start}/done"), "home": client.get("/")}
    world.batch(2)
    other = world.member()
    for _ in range(2):
        world.judge(annotator)
    pages |= {"nothing left": client.get(f"{start}/done")}
    annotator.paused_at = timezone.now()
    annotator.save(update_fields=["paused_at"])
    pages |= {"paused": client.get(f"{start}/done"), "home, paused": client.get("/")}
    client = speaks_arabic(other.user)
    url, _ = lease_page(client, world)
    pages |= {
        "reported": client.post(f"{url}/reports", {"reason": "harmful"}),
        "report refused": client.post(f"{url}/reports", {}),
    }
    check({name: page.content.decode() for name, page in pages.items()})


def test_training_has_no_english_left() -> None:
    world = make_world()
    world.now = timezone.now()
    training_batch(world, items=2)
    world.batch(2)
    annotator, start = world.member(), f"/projects/{world.project.slug}"
    client = speaks_arabic(annotator.user)
    pages = {"home": client.get("/").content.decode(), "task": client.get(f"{start}/task").content.decode()}
    train(world, annotator, [False], now=timezone.now())
    pages["told"] = lease_page(client, world)[1]
    assert "إجابتك الأخيرة لم تكن المتوقَّعة" in pages["told"]
    check(pages)


def test_pages_for_strangers_have_no_english_left() -> None:
    client = Client(headers={"Accept-Language": "ar"})
    wrong = {"username": "nobody@example.org", "password": "nearly-right"}
    pages = {
        "login": client.get("/login"),
        "empty": client.post("/login", {}),
        "wrong": client.post("/login", wrong),
        "not found": client.get("/nowhere"),
        "csrf": Client(enforce_csrf_checks=True, headers={"Accept-Language": "ar"}).post("/login", wrong),
    }
    for _ in range(10):
        pages["locked"] = client.post("/login", wrong)
    assert [page.status_code for page in pages.values()] == [200, 422, 422, 404, 403, 429]
    check({name: page.content.decode() for name, page in pages.items()})
