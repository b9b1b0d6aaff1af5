"""Arabic in a browser: chosen on the settings page, judged with the keyboard, from right to left."""

import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.models import Judgment, User
from annotation.rendering.icons import SHAPES
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

PAIRWISE = {"kind": "pairwise", "points": 7, "criteria": [{"key": "clarity", "name": "Clarity"}]}
LOOKS = [
    pytest.param(size, theme, id=f"{size[0]} {theme}")
    for size in (WIDE, PHONE)
    for theme in ("light", "dark")
]


def world_of(protocol: dict[str, object], items: int = 3, **fields: object) -> World:
    world = make_world(protocol)
    world.now = timezone.now()
    world.batch(items, **fields)
    return world


def arabic(world: World) -> User:
    user = world.member().user
    user.language = User.Language.ARABIC
    user.save(update_fields=["language"])
    return user


def start(page: Page) -> None:
    """From home to the judging page, until its script is there."""
    page.goto("/")
    with page.expect_response("**/spare"):  # the last thing that the script does on its way in
        page.locator("#go-on").click()


def first_is_a(page: Page) -> bool:
    """Whether the completion that was imported first is on side A."""
    return ".0" in page.locator("#resp-a .resp-text").inner_text()


def judge(page: Page, *, first_wins: bool) -> None:
    """The strongest preference on both questions, with the keyboard alone."""
    is_low = first_is_a(page) is first_wins
    heading = page.locator("#item-h").inner_text()
    for key in ("1" if is_low else "5", "1" if is_low else "7", "n"):
        page.keyboard.press(key)
    page.keyboard.type("why")
    for key in ("Escape", "s", "3"):
        page.keyboard.press(key)
    with page.expect_response("**/judgments") as reply:
        page.keyboard.press("Enter")
    assert reply.value.ok
    expect(page.locator("#item-h")).not_to_have_text(heading)


def stored(user: User) -> list[tuple[str, int, str, int | None]]:
    """(criterion, preference as stored, note, confidence) of the person's newest judgment."""
    judgment = Judgment.objects.filter(annotator__user=user).latest("pk")
    rows = judgment.pairwise_answers.order_by("criterion__position")
    return [(row.criterion.key, row.preference, judgment.note, judgment.confidence) for row in rows]


def test_arabic_is_chosen_in_settings_and_judged_in_with_the_same_answers_as_english(
    open_page: OpenPage,
) -> None:
    world = world_of(PAIRWISE)
    reader, other = world.member().user, world.member().user
    page = open_page(reader)
    page.goto("/settings")
    expect(page.locator("html")).to_have_class("js")
    page.get_by_label("العربية").check()
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".notice")).to_have_text("تم الحفظ.")
    expect(page.locator("html")).to_have_attribute("dir", "rtl")

    start(page)
    expect(page.locator("#item-h")).to_have_text("العنصر 1 من 3. قارن بين ردّين.")
    judge(page, first_wins=True)
    english = open_page(other)
    start(english)
    judge(english, first_wins=True)
    assert stored(reader) == stored(other) == [("clarity", -2, "why", 3), ("overall", -3, "why", 3)]
    expect(page.locator("#save-state")).to_have_text("حُفظ كل شيء")

    # The scripts speak it too.
    page.keyboard.press("Enter")
    expect(page.locator("#live")).to_have_text("يُرجى الإجابة عن: Clarity")


def test_a_stands_on_the_right_and_the_text_of_models_keeps_its_direction(open_page: OpenPage) -> None:
    page = open_page(arabic(world_of(PAIRWISE)))
    start(page)

    def left(selector: str) -> float:
        box = page.locator(selector).first.bounding_box()
        assert box is not None
        return box["x"]

    assert left("#resp-a") > left("#resp-b")
    assert left(".scale .seg.a") > left(".scale .seg.b")
    shown = page.locator("#resp-a .md").evaluate("part => getComputedStyle(part).direction")
    assert shown == "ltr" and page.evaluate("getComputedStyle(document.body).direction") == "rtl"


def test_on_a_phone_b_is_swiped_to(open_page: OpenPage) -> None:
    page = open_page(arabic(world_of(PAIRWISE)), size=PHONE)
    start(page)
    page.locator('[data-tab="b"]').click()
    expect(page.locator('[data-tab="b"]')).to_have_attribute("aria-current", "true")
    expect(page.locator("#resp-b")).to_be_in_viewport(ratio=0.5)


def test_arrows_that_point_sideways_are_turned_round(open_page: OpenPage) -> None:
    page = open_page(arabic(world_of(PAIRWISE)))
    start(page)
    page.evaluate("document.querySelector('#bar').insertAdjacentHTML('beforeend', '<p id=drawn></p>')")
    turned = {}
    for name, shapes in SHAPES.items():
        page.locator("#drawn").evaluate("(part, shapes) => part.innerHTML = `<svg>${shapes}</svg>`", shapes)
        turned[name] = page.locator("#drawn svg").evaluate("svg => getComputedStyle(svg).scale") != "none"
    assert {name for name, is_turned in turned.items() if is_turned} == {
        "arrow-left",
        "arrow-right",
        "chevron-left",
        "chevron-right",
        "log-out",
        "undo",
    }


def test_what_waits_is_counted_as_arabic_counts(open_page: OpenPage, complaints: list[str]) -> None:
    page = open_page(arabic(world_of(PAIRWISE)))
    start(page)
    page.context.set_offline(True)
    for shown in ("واحدة في الانتظار", "اثنتان في الانتظار"):
        for key in "17":
            page.keyboard.press(key)
        page.locator("#submit").click()
        expect(page.locator("#save-state")).to_have_text(shown)
    expect(page.locator("#problem")).to_have_text("أنت غير متصل. إجابتان محفوظتان على هذا الجهاز.")
    page.context.set_offline(False)
    expect(page.locator("#save-state")).to_have_text("حُفظ كل شيء")
    complaints.clear()


KINDS = {
    "pairwise": (PAIRWISE, 2),
    "ranking": ({"kind": "ranking"}, 4),
    "rating": ({"kind": "rating", "criteria": [{"key": "clarity", "name": "Clarity"}]}, 2),
    "demonstration": ({"kind": "demonstration"}, 0),
    "critique": ({"kind": "critique", "criteria": [{"key": "brief", "name": "Brief"}]}, 1),
}


@pytest.mark.parametrize(("size", "theme"), LOOKS)
@pytest.mark.parametrize("kind", KINDS)
def test_judging_pages_in_arabic_have_no_faults(
    kind: str, size: tuple[int, int], theme: str, open_page: OpenPage
) -> None:
    protocol, completions = KINDS[kind]
    page = open_page(arabic(world_of(protocol, completions=completions)), size=size, theme=theme)
    start(page)
    assert (faults(page), overflow(page)) == ([], 0)


@pytest.mark.parametrize(("size", "theme"), LOOKS)
def test_quiet_pages_in_arabic_have_no_faults(size: tuple[int, int], theme: str, open_page: OpenPage) -> None:
    world = world_of(PAIRWISE)
    user = arabic(world)
    page = open_page(user, size=size, theme=theme)
    slug = world.project.slug
    found = {}
    for path in ("/", "/settings", "/settings/tokens", *(f"/projects/{slug}/{name}" for name in QUIET)):
        page.goto(path)
        expect(page.locator("html")).to_have_class("js")
        expect(page.locator("html")).to_have_attribute("lang", "ar")
        found[path] = (faults(page), overflow(page))
    assert {path: what for path, what in found.items() if what != ([], 0)} == {}


QUIET = ("guide", "work", "break", "task")
