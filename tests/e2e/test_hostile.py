"""Hostile text in every text field, on every page, in a browser: nothing runs, nothing is loaded from elsewhere.

More than 300 texts (tests/annotation/hostile.py) stand in prompts, responses, names, guides, notes, reports, written
answers, file names, import errors and releases. `open_page` fails on any CSP report or console message besides.
"""

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pgtrigger
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.jobs import run_claimed
from annotation.models import (
    Batch,
    Completion,
    GoldAnswer,
    Item,
    Job,
    Judgment,
    Membership,
    Project,
    StratumQuestion,
    User,
)
from annotation.services.batches import start_import
from annotation.services.people import create_token
from annotation.services.projects import publish_consent_text, publish_guideline, set_limits
from annotation.services.reports import report_item
from annotation.services.strata import ask_stratum
from annotation.services.voiding import void_judgment
from comparisons.models import StratumFigure
from comparisons.services.adjudication import look_first, settle_item
from comparisons.services.statistics import start_statistics
from exporters.models import Release
from exporters.services.releases import start_release
from exporters.settings import release_settings
from rewards.models import RewardRun
from tests.annotation.hostile import heavy, payloads
from tests.e2e.conftest import OpenPage
from tests.e2e.watching import STRANGE, Watch
from tests.factories import World, digest, make_world
from tests.test_permissions import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

TEXTS = [text.replace("\0", "") for text in payloads()]
GROUPS = ["\n\n".join(TEXTS[start : start + 52]) for start in range(0, len(TEXTS), 52)]
"""All of them in twelve texts, each short enough to be parsed."""


@pytest.fixture
def watch(live_server: Any) -> Watch:
    return Watch(live_server.url)


def packs(longest: int, texts: Sequence[str] = TEXTS) -> list[str]:
    """The texts that fit into `longest` characters, as many in one as go."""
    found: list[str] = []
    for text in (" ".join(text.split()) for text in texts):
        if len(text) > longest or not text:
            continue
        if found and len(found[-1]) + 1 + len(text) <= longest:
            found[-1] += f" {text}"
        else:
            found.append(text)
    return found


def supply(longest: int) -> Iterator[str]:
    return itertools.cycle(packs(longest))


NAMES, LABELS, SENTENCES, WORDS, NOTES = map(supply, (120, 80, 200, 40, 1900))
PRINTABLE, OPTIONS, SHORT = (
    itertools.cycle(packs(longest, ["".join(filter(str.isprintable, text)) for text in TEXTS]))
    for longest in (200, 80, 40)
)
CRITERIA = [
    {"key": f"c{number}", "name": next(LABELS), "question": next(SENTENCES)} for number in range(1, 4)
]
KINDS: dict[str, dict[str, Any]] = {
    "pairwise": {"points": 7, "criteria": CRITERIA},
    "ranking": {"criteria": CRITERIA[:1]},
    "rating": {
        "criteria": [one | {"points": 3, "anchors": [next(SENTENCES) for _ in range(3)]} for one in CRITERIA]
    },
    "demonstration": {},
    "critique": {"criteria": CRITERIA},
}
COMPLETIONS = {"pairwise": 2, "ranking": 4, "rating": 4, "demonstration": 0, "critique": 1}


def conversation(turns: Sequence[str], *, last: str) -> list[dict[str, str]]:
    """The texts as a system message and turns of two people; the last turn is that of `last`."""
    roles = itertools.cycle(
        ["user", "assistant"] if (len(turns) % 2 == 0) == (last == "user") else ["assistant", "user"]
    )
    messages = [{"role": role, "content": text} for role, text in zip(roles, turns, strict=False)]
    return [{"role": "system", "content": turns[0]}, *messages[1:]]


def hostile_world(kind: str, items: int = 2, consent: str = "") -> World:
    """A project all of whose texts are hostile; its items hold every text."""
    world = make_world(
        {"kind": kind, "overlap": 3} | KINDS[kind],
        description=GROUPS[0],
        guideline=GROUPS[1],
        consent=consent,
    )
    world.now = timezone.now()
    Project.objects.filter(pk=world.project.pk).update(name=next(NAMES))
    User.objects.filter(pk=world.lead.pk).update(name=next(NAMES))
    batch = world.batch(0, source_name=f"{next(NAMES)}.jsonl")
    Batch.objects.filter(pk=batch.pk).update(name=next(NAMES))
    world.project.refresh_from_db()
    for number in range(1, items + 1):
        count = COMPLETIONS[kind]
        item = world.item(
            batch,
            number,
            [GROUPS[(number * 5 + at) % len(GROUPS)] for at in range(count)],
            prompt=conversation(GROUPS[number - 1 :: 2] if count else GROUPS, last="user"),
            language="en",
            category=next(WORDS),
            metadata={"note": GROUPS[number]},
        )
        with pgtrigger.ignore("annotation.Item:item_immutable", "annotation.Completion:completion_immutable"):
            Item.objects.filter(pk=item.pk).update(external_id=next(SENTENCES))
            for completion in item.completions.all():
                Completion.objects.filter(pk=completion.pk).update(
                    model=next(SENTENCES), settings={next(WORDS): next(SENTENCES)}
                )
    return world


def answer(page: Page, words: str) -> None:
    """Whatever the kind asks, with hostile words wherever there is room for words."""
    page.evaluate(
        """(words) => {
          const radios = [...document.querySelectorAll("#stage input[type=radio], #judge input[type=radio]")];
          const names = new Set(radios.map((e) => e.name));
          let at = 0;
          for (const name of names) {
            const group = [...document.querySelectorAll(`input[name="${name}"]`)];
            group[name.startsWith("rank-") ? at++ : 1].click();
          }
          for (const e of document.querySelectorAll("select[name]:not([name=response])")) {
            e.value = e.options[1 + ([...e.closest("fieldset").querySelectorAll("select")].indexOf(e))].value;
            e.dispatchEvent(new Event("change", { bubbles: true }));
          }
          document.querySelector("#principles input")?.click();
          for (const e of document.querySelectorAll("textarea[form=judge], #judge textarea")) {
            e.value = words.slice(0, 4000);
            e.dispatchEvent(new Event("input", { bubbles: true }));
          }
        }""",
        words,
    )


def submit(page: Page) -> None:
    with page.expect_response(re.compile(r"/judgments$")):
        page.locator("#submit").click()
        unread = page.locator("#submit", has_text="without reading")
        if unread.count():
            unread.click()


@pytest.mark.parametrize("kind", KINDS)
def test_the_annotators_pages(kind: str, watch: Watch, open_page: OpenPage, complaints: list[str]) -> None:
    world = hostile_world(kind, consent=GROUPS[2])
    annotator = world.member()
    User.objects.filter(pk=annotator.user_id).update(name=next(NAMES))
    for name in packs(80)[:20]:
        create_token(user=annotator.user, now=world.now, name=name, scopes=["read"])
    base = f"/projects/{world.project.slug}"
    page = watch.over(open_page(annotator.user))
    watch.visit(page, "/")
    watch.visit(page, f"{base}/guide")
    page.locator("main form button").last.click()
    for number in (1, 2):
        expect(page.locator("#item-h")).to_contain_text(f"Item {number} of 2")
        watch.check(page, "the next item, which the script has put there")
        watch.visit(page, page.url.removeprefix(watch.origin))
        page.wait_for_load_state()
        assert page.locator("#task .md").count() > COMPLETIONS[kind]
        for key in ("t", "p", "v", "i", "Escape", "r", "Escape"):
            page.keyboard.press(key)
        watch.check(page, "plain text, turns, differences, guide, report")
        answer(page, GROUPS[number])
        if kind == "critique":
            page.locator("[data-changes]").click()
            expect(page.locator("#changes .diff ins").first).to_be_attached()
        watch.check(page, "answered")
        submit(page)
        if number == 1:
            expect(page.locator(".bar-mid")).to_contain_text("1 of 2")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")

    hostile_question(world)
    judgment = Judgment.objects.filter(annotator=annotator).latest("pk")
    watch.visit(page, f"{base}/work")
    page.get_by_role("button", name="Change").first.click()
    expect(page.get_by_text("You are changing an earlier answer.")).to_be_visible()
    watch.visit(page, page.url.removeprefix(watch.origin))
    void_judgment(judgment=judgment, reason=next(PRINTABLE), actor=world.lead, now=timezone.now())
    publish_guideline(project=world.project, actor=world.lead, text=GROUPS[3], now=timezone.now())
    publish_consent_text(project=world.project, actor=world.lead, text=GROUPS[4], now=timezone.now())
    for show in ("submitted", "drafts", "returned", "skipped", "<script>alert(1)</script>"):
        watch.visit(page, f"{base}/work?show={show}")
    for path in (
        "/",
        *(f"{base}/{name}" for name in ("guide", "quality", "done", "break", "about-you")),
        "/settings",
        "/settings/tokens",
    ):
        watch.visit(page, path)
    watch.visit(page, "/nowhere/<script>alert(1)</script>", status=404)
    page.context.clear_cookies()
    watch.visit(page, "/login?next=//evil.example/<script>alert(1)</script>")
    complaints.clear()  # the browser notes the 404
    watch.tell(kind)


def bad_import(world: World) -> Job:
    """An import of hostile rows under a hostile file name, each of which is refused with its value."""
    rows = [
        {"id": text, "prompt": [{"role": text, "content": 1}], text: text, "language": text} for text in TEXTS
    ]
    _, job = start_import(
        project=world.project,
        actor=world.lead,
        now=timezone.now(),
        upload=SimpleUploadedFile(f"{next(NAMES)}.jsonl", "\n".join(map(json.dumps, rows)).encode()),
        format="jsonl",
        name="Refused",
    )
    run_claimed(str(job.pk), timezone.now())
    job.refresh_from_db()
    assert job.state == Job.State.FAILED
    return job


def release_of(world: World) -> Release:
    release, job = start_release(
        project=world.project,
        actor=world.member("engineer").user,
        settings=release_settings({}),
        version=None,
        now=timezone.now(),
    )
    run_claimed(str(job.pk), timezone.now())
    release.refresh_from_db()
    assert release.state == "frozen", job
    return release


def crowd(world: World) -> None:
    """Every short text as the name of a project, of a batch, and of a person with skills and a reason for a pause."""
    project, batch = world.project, world.project.batches.get(number=1)
    projects = Project.objects.bulk_create(
        Project(
            slug=f"p{world.project.pk}-{number}",
            name=name,
            split_seed=1,
            created_at=world.now,
            created_by=world.lead,
        )
        for number, name in enumerate(packs(120))
    )
    Membership.objects.bulk_create(
        Membership(user=world.lead, project=one, role="lead", pseudonym=f"L{one.pk}", created_at=world.now)
        for one in projects
    )
    for number, name in enumerate(packs(120), start=10):
        Batch(
            project=project, number=number, name=name, protocol=batch.protocol, state=Batch.State.OPEN, overlap=3,
            source_format="jsonl", source_name=name, source_sha256=digest(number), skill=next(WORDS),
            created_at=world.now, created_by=world.lead,
        ).save(force_insert=True)  # fmt: skip
    users = User.objects.bulk_create(
        User(email=f"h{number}-{project.pk}@example.org", name=name) for number, name in enumerate(packs(120))
    )
    Membership.objects.bulk_create(
        Membership(
            user=user, project=project, role="annotator", pseudonym=f"H{user.pk}", created_at=world.now,
            skills=[next(WORDS), next(WORDS)], paused_at=world.now, pause_reason=next(SENTENCES),
        )
        for user in users
    )  # fmt: skip


def hostile_question(world: World) -> StratumQuestion:
    return ask_stratum(
        project=world.project, actor=world.lead, name=next(SHORT), text=next(PRINTABLE),
        options=list({next(OPTIONS).casefold() for _ in range(12)}), now=timezone.now(),
    )  # fmt: skip


def hostile_strata(world: World, job: Job) -> None:
    """A question, and figures by it of models whose names are hostile."""
    question = hostile_question(world)
    StratumFigure.objects.bulk_create(
        StratumFigure(
            project=world.project, job=job, computed_at=world.now, question=question, stratum=option,
            measure=measure, subject=next(SENTENCES), other=next(SENTENCES) if measure == "pair" else "",
            people=10, value=0.9, low=0.8, high=1, same=0, rest=0.1, everybody=0.2, method="-", confidence=0.95,
        )
        for option in question.options
        for measure in ("model", "pair")
    )  # fmt: skip


def test_the_pages_of_the_console(watch: Watch, open_page: OpenPage) -> None:
    """Every page that there is (tests/test_permissions.py), with more than 300 texts in names, notes and reports."""
    world = hostile_world("pairwise", items=3)
    slug, batch = world.project.slug, world.project.batches.get()
    gold = world.item(batch, 4, GROUPS[:2], target_overlap=0)
    criterion = batch.protocol.criteria.first()
    GoldAnswer.objects.create(item=gold, criterion=criterion, preference=1, tolerance=1, why=GROUPS[5])
    world.item(batch, 5, TEXTS)
    for number in range(6, 51):
        world.item(batch, number, TEXTS[number * 10 : number * 10 + 2], category=next(WORDS))
    annotator = world.member()
    for _ in range(3):
        words: dict[str, Any] = {"note": next(NOTES)}
        full = {
            "criteria": {one["key"]: {"tie": "both_good"} for one in CRITERIA},
            "preferred": "A",
            "strength": 2,
        }
        world.submit(world.lease(annotator), full, **words)
    for item in batch.items.all()[:12]:
        report_item(annotator=annotator, item=item, reason="broken", note=next(NOTES), now=world.now)
    set_limits(
        project=world.project, daily_cap=9, exposure=dict.fromkeys(packs(40)[:60], 3), exclusion_limit=3,
        actor=world.lead, now=world.now,
    )  # fmt: skip
    job, release = bad_import(world), release_of(world)
    done = Job.objects.filter(project=world.project).latest("pk")
    run = RewardRun.objects.create(
        release=release, job=done, model="surface", loss="bradley_terry", seed=0, created_at=world.now
    )
    crowd(world)
    figures = start_statistics(project=world.project, actor=world.lead, now=world.now)
    run_claimed(str(figures.pk), world.now)

    hostile_strata(world, figures)
    decided, reviewer = batch.items.get(number=1), world.project.memberships.get(user=world.lead)
    look_first(item=decided, reviewer=reviewer, answer=full, now=world.now)
    settle_item(
        item=decided, reviewer=reviewer, reason="misread", answer=full, note=next(NOTES), now=world.now
    )

    lead = watch.over(open_page(world.lead))
    engineer = watch.over(open_page(world.member("engineer").user))
    seen = set()
    for name, path in {
        "projects": "/projects",
        "project_new": "/projects/new?kind=rating",
        "project": f"/projects/{slug}",
        "protocol": f"/projects/{slug}/protocol",
        "texts": f"/projects/{slug}/texts",
        "members": f"/projects/{slug}/members",
        "member": f"/projects/{slug}/members/{annotator.pseudonym}",
        "batch_new": f"/projects/{slug}/batches/new",
        "batch": f"/projects/{slug}/batches/{batch.number}",
        "limits": f"/projects/{slug}/limits",
        "statistics": f"/projects/{slug}/statistics",
        "strata": f"/projects/{slug}/strata?question=<script>alert(1)</script>&as=own&seats_0=<img src=x>",
        "strata_questions": f"/projects/{slug}/questions",
        "review": f"/projects/{slug}/review",
        "review_item": f"/projects/{slug}/review/{batch.number}/1",
        "webhooks": f"/projects/{slug}/webhooks",
        "jobs": f"/projects/{slug}/jobs",
        "job": f"/jobs/{job.pk}",
        "settings": "/settings",
        "tokens": "/settings/tokens",
    }.items():
        watch.visit(lead, path)
        seen.add(name)
    watch.visit(lead, f"/projects/{slug}/review?show=decided")
    watch.visit(lead, f"/projects/{slug}/review/{batch.number}/2")
    lead.get_by_role("button", name="without answering").click()
    watch.check(lead, "the judgments, shown without an answer")
    for number in (1, 2, 3, 4, 5):
        watch.visit(lead, f"/projects/{slug}/batches/{batch.number}/items/{number}")
    assert lead.locator(".md").count() == len(TEXTS) + 1
    compared = f"releases/{release.version}/compare/{release.version}"
    for path in (
        "releases",
        f"releases/{release.version}",
        compared,
        f"reward-runs/{run.pk}",
        "",
        "batches/1",
    ):
        watch.visit(engineer, f"/projects/{slug}/{path}".rstrip("/"))
    lead.goto(f"/projects/{slug}/batches/{batch.number}")
    lead.get_by_text("Close batch").click()
    lead.get_by_role("button", name="Close").last.click()
    expect(lead.get_by_text("is closed.")).to_be_visible()
    watch.check(lead, "told that the batch is closed")
    annotators = {"home", "guide", "work", "quality", "done", "break", "about_you"}
    annotators |= {"task", "assignment", "corrections"}
    files = {"release_file"}
    pages = {name for name, rows in PAGES.items() if any(row.method == "GET" for row in rows)}
    assert pages - annotators - files - seen == {
        "item",
        "releases",
        "release",
        "compare_releases",
        "reward_run",
    }
    watch.tell("console")


def test_texts_that_are_costly(watch: Watch, open_page: OpenPage) -> None:
    """50,000 brackets, a line of a megabyte and the like, as prompt and as response, for annotator and lead."""
    world = make_world({"kind": "pairwise", "overlap": 3})
    world.now = timezone.now()
    batch = world.batch(0)
    for number, text in enumerate(heavy().values(), start=1):
        world.item(batch, number, [text, "Plain."], prompt=[{"role": "user", "content": text[:2_000]}])
    annotator = world.member()
    page = watch.over(open_page(annotator.user))
    lead = watch.over(open_page(world.lead))
    for number in range(1, len(heavy()) + 1):
        lease = world.lease(annotator)
        watch.visit(page, f"/assignments/{lease.public_id}")
        if number < 4:
            watch.visit(lead, f"/projects/{world.project.slug}/batches/1/items/{number}")
        world.submit(lease)
    watch.tell("costly")


def test_the_watch_sees_what_runs(watch: Watch, open_page: OpenPage, complaints: list[str]) -> None:
    """The control: on a page that lets them, a script, a handler, a style, a frame and a request are each found."""
    page = watch.over(open_page())
    body = """<!doctype html><title>x</title><p id=a><p id=a style="color:red"><a href="javascript:alert(1)">x</a>
      <img src=x onerror=alert(1)><script>confirm(2)</script><iframe srcdoc="<script>top.alert(3)</script>"></iframe>
      <img src="http://evil.example/pixel.gif">"""
    page.context.route("http://evil.example/**", lambda route: route.abort())
    page.route("**/open", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto("/open")
    page.wait_for_load_state("networkidle")
    assert {"alert", "confirm"} <= set(watch.ran)
    assert watch.elsewhere == ["http://evil.example/pixel.gif"]
    strange = page.evaluate(STRANGE)
    for found in (
        "2 times #a",
        "style=color:red",
        "href=javascript:alert(1)",
        "onerror=alert(1)",
        "IFRAME",
        "SCRIPT",
    ):
        assert found in strange
    assert complaints
    complaints.clear()  # of the picture that was not let through


def test_there_are_more_than_three_hundred() -> None:
    assert len(set(TEXTS)) > 300
    assert all(any(text in group for group in GROUPS) for text in TEXTS)
