"""What stands beside the judgment of a pair: differences, reports, the break offer, code, links, turns, scales."""

from collections.abc import Callable

import pgtrigger
import pytest
from django.utils import timezone
from playwright.sync_api import Page, expect

from annotation.models import Assignment, Completion, Judgment, Membership, Report, ViewUse
from tests.e2e.conftest import PHONE, WIDE, OpenPage
from tests.e2e.looks import faults, overflow
from tests.factories import World, make_world

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

NEAR = ["Sort the pairs, then sweep once.\n\nDone.", "Sort the pairs first, then sweep once.\n\nDone."]
FAR = ["Sort the pairs, then sweep once.", "Bananas grow in bunches; pick them green."]
AIDS = """See [the notes](https://example.org/notes?x=1), [a trap](javascript:alert(1)) and [mail](mailto:a@b.example).

```python
def merge(meetings):
    return sorted(meetings)  # a long line that has to scroll by itself and not with the page around it, or is wrapped
```

$$\\frac{n}{2}$$
"""


def pairwise(**protocol: object) -> World:
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 9} | protocol)
    world.now = timezone.now()
    return world


def pair(world: World, texts: list[str], items: int = 1) -> None:
    batch = world.batch(0)
    for number in range(1, items + 1):
        world.item(batch, number, texts)


def start(page: Page, *, is_scripted: bool = True) -> None:
    page.goto("/")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    if is_scripted:
        expect(page.locator('[data-active="true"]')).to_have_count(1)


def wait_until_read(page: Page) -> None:
    expect(page.locator("[data-read]:not([hidden])")).to_have_count(2)


def sign(page: Page, text_of_first: str) -> int:
    """+1 when the completion imported first is on the left, −1 when the sides are swapped."""
    return 1 if text_of_first in page.locator("#resp-a .resp-text").inner_text() else -1


# Differences


def test_v_marks_what_only_one_response_says_and_its_use_is_kept(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR, items=2)
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    assert not ViewUse.objects.exists()
    page.keyboard.press("v")
    expect(page.locator("#differences-button")).to_have_attribute("aria-pressed", "true")
    marks = page.locator(".diff mark")
    expect(marks).to_have_count(1)
    expect(marks).to_have_text("first")
    swapped = sign(page, "pairs first") == 1
    expect(page.locator("#resp-a .diff mark" if swapped else "#resp-b .diff mark")).to_be_visible()
    expect(page.locator("#resp-a .md").first).to_be_hidden()
    expect(page.locator("#live")).to_have_text("Differences on")
    use = ViewUse.objects.get()
    assert (use.view, use.lease.annotator) == ("differences", annotator)

    page.keyboard.press("v")
    expect(page.locator("#resp-a .md").first).to_be_visible()
    expect(page.locator("#resp-a .diff")).to_be_hidden()
    page.keyboard.press("v")
    expect(page.locator("#resp-a .diff")).to_be_visible()
    assert ViewUse.objects.count() == 1

    # The next item starts without, and judging went on as ever.
    page.keyboard.press("2")
    wait_until_read(page)
    page.wait_for_timeout(320)  # a fresh task takes no Enter for 300 ms
    page.keyboard.press("Enter")
    expect(page.locator("#item-h")).to_contain_text("Item 2 of")
    expect(page.locator("#resp-a .md").first).to_be_visible()
    assert ViewUse.objects.count() == 1


def test_responses_that_have_little_in_common_offer_no_differences(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, FAR)
    page = open_page(world.member().user)
    start(page)
    expect(page.get_by_role("button", name="Differences")).to_have_count(0)
    page.keyboard.press("v")
    expect(page.locator("#resp-a .md").first).to_be_visible()
    assert not ViewUse.objects.exists()


def test_differences_that_do_not_load_say_so_and_can_be_asked_for_again(
    open_page: OpenPage, complaints: list[str]
) -> None:
    world = pairwise()
    pair(world, NEAR)
    page = open_page(world.member().user)
    start(page)
    page.wait_for_load_state("networkidle")
    page.context.set_offline(True)
    page.keyboard.press("v")
    expect(page.get_by_role("button", name="Differences")).to_contain_text("could not be loaded, try again")
    page.context.set_offline(False)
    page.keyboard.press("v")
    expect(page.locator(".diff mark")).to_have_text("first")
    expect(page.get_by_text("could not be loaded")).to_be_hidden()
    complaints.clear()  # the browser notes the lost connection


# Reports


def test_a_report_by_keyboard_alone_keeps_what_was_answered(open_page: OpenPage) -> None:
    world = pairwise(criteria=[{"key": "clarity", "name": "Clarity"}])
    pair(world, NEAR)
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    page.keyboard.press("2")  # Clarity: A
    page.keyboard.press("r")
    expect(page.locator("#report")).to_be_visible()
    expect(page.locator("#report input[type=radio]").first).to_be_focused()
    page.keyboard.press("2")
    expect(page.get_by_label("Someone’s private data")).to_be_checked()
    expect(page.get_by_label("Someone’s private data")).to_be_focused()
    page.keyboard.press("Tab")  # from the radios to "About"
    page.keyboard.press("End")  # the last of its choices
    expect(page.locator("#report select")).to_have_value("B")
    page.keyboard.press("Tab")
    page.keyboard.type("A phone number, r v 4.")
    page.keyboard.press("Control+Enter")
    expect(page.locator("#report")).to_be_hidden()
    expect(page.get_by_text("Your report is sent.")).to_be_visible()
    expect(page.locator("#live")).to_have_text("Report sent. The task stays open.")

    report = Report.objects.get()
    assert (report.reason, report.note, report.annotator) == (
        "private_data",
        "A phone number, r v 4.",
        annotator,
    )
    assert report.completion is not None
    assert report.completion.messages[0]["content"] == NEAR[1 if sign(page, "pairs,") == 1 else 0]
    assert not Judgment.objects.exists()
    expect(page.locator('[name="q-clarity"][data-digit="2"]')).to_be_checked()
    page.keyboard.press("6")  # Overall is next, as before the report
    expect(page.locator('[name="q-overall"][data-digit="6"]')).to_be_checked()
    wait_until_read(page)
    page.wait_for_timeout(320)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert Judgment.objects.get().annotator == annotator


def test_enter_sends_the_report_and_escape_leaves_it(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR)
    page = open_page(world.member().user)
    start(page)
    page.keyboard.press("r")
    page.keyboard.press("Escape")
    expect(page.locator("#report")).to_be_hidden()
    page.keyboard.press("3")
    expect(page.locator('[name="q-overall"][data-digit="3"]')).to_be_checked()
    page.keyboard.press("r")
    page.keyboard.press("3")
    page.keyboard.press("Enter")
    expect(page.get_by_text("Your report is sent.")).to_be_visible()
    assert [(one.reason, one.completion) for one in Report.objects.all()] == [("broken", None)]
    assert not Judgment.objects.exists()


def test_the_flag_of_a_response_reports_that_response(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR)
    page = open_page(world.member().user)
    start(page)
    page.get_by_role("button", name="Report a problem with response B").click()
    expect(page.locator("#report select")).to_have_value("B")
    page.keyboard.press("Escape")
    page.keyboard.press("r")
    expect(page.locator("#report select")).to_have_value("")


def test_a_report_that_does_not_get_through_keeps_its_words(
    open_page: OpenPage, complaints: list[str]
) -> None:
    world = pairwise()
    pair(world, NEAR)
    page = open_page(world.member().user)
    start(page)
    page.keyboard.press("r")
    page.keyboard.press("4")
    page.locator("#report textarea").fill("It says who made it.")
    page.context.set_offline(True)
    page.get_by_role("button", name="Send report").click()
    expect(page.locator("#report [role=alert]")).to_contain_text("Not sent. Check the connection")
    expect(page.locator("#report textarea")).to_have_value("It says who made it.")
    page.context.set_offline(False)
    page.get_by_role("button", name="Send report").click()
    expect(page.locator("#report")).to_be_hidden()
    assert Report.objects.get().note == "It says who made it."
    complaints.clear()


def test_without_script_the_report_answers_in_a_tab_of_its_own(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR)
    page = open_page(world.member().user, scripted=False)
    start(page, is_scripted=False)
    page.check('input[name="q-overall"][value="-2"]')
    page.locator("#report-button").click()
    page.get_by_label("The item is broken").check()
    with page.context.expect_page() as tab:
        page.get_by_role("button", name="Send report").click()
    expect(tab.value.get_by_role("heading", name="Report sent")).to_be_visible()
    expect(page.locator('input[name="q-overall"][value="-2"]')).to_be_checked()
    assert Report.objects.get().reason == "broken"
    tab.value.close()
    page.keyboard.press("Escape")
    page.click("#submit")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")


def test_private_data_as_the_reason_for_cannot_judge_is_reported(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR, items=2)
    page = open_page(world.member().user)
    start(page)
    page.keyboard.press("x")
    page.keyboard.press("6")
    expect(page.get_by_text("The item went back to the pool.")).to_be_visible()
    assert Report.objects.get().reason == "private_data"


def test_a_lead_reads_a_report_and_closes_it(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR)
    page = open_page(world.member().user)
    start(page)
    page.keyboard.press("r")
    page.keyboard.press("1")
    page.locator("#report textarea").fill("Dangerous advice.")
    page.keyboard.press("Control+Enter")
    expect(page.get_by_text("Your report is sent.")).to_be_visible()

    lead = open_page(world.lead)
    lead.goto(f"/projects/{world.project.slug}")
    lead.get_by_role("link", name="Harmful content").click()
    expect(lead.get_by_text("Dangerous advice.")).to_be_visible()
    assert faults(lead) == [] and overflow(lead) == 0
    lead.get_by_role("button", name="Mark as handled").click()
    expect(lead.get_by_text("The report is handled.")).to_be_visible()
    expect(lead.get_by_role("button", name="Mark as handled")).to_have_count(0)
    assert Report.objects.get().handled_by == world.lead


# Break


def work_for(page: Page, minutes: int) -> None:
    """Sit at the task for so long, with a sign of life every half minute."""
    for turn in range(2 * minutes):
        page.mouse.move(300 + turn % 2, 300)
        page.clock.run_for(30_000)


def test_after_45_active_minutes_one_line_offers_a_break(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR, items=2)
    page = open_page(world.member().user)
    page.clock.install(time=world.now)
    start(page)
    offer = page.locator("#break-offer")
    work_for(page, 44)
    expect(offer).to_be_hidden()
    page.keyboard.press("z")
    expect(page.locator("#item-h")).to_contain_text("Item 1 of")
    work_for(page, 2)
    expect(offer).to_contain_text("You have judged for 45 min.")
    expect(page.locator("#live")).to_contain_text("You have judged for 45 min.")
    assert faults(page) == []

    page.get_by_role("button", name="Later").click()
    expect(offer).to_be_hidden()
    work_for(page, 14)
    expect(offer).to_be_hidden()
    work_for(page, 2)
    expect(offer).to_be_visible()
    page.keyboard.press("z")
    page.wait_for_url("**/break")


def test_the_offer_outlives_the_item_and_minutes_away_do_not_count(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, NEAR, items=3)
    page = open_page(world.member().user)
    page.clock.install(time=world.now)
    start(page)
    work_for(page, 30)
    for number in (2, 3):
        page.keyboard.press("2")
        page.keyboard.press("Enter")
        if "without reading" in page.locator("#submit").inner_text():
            page.keyboard.press("Enter")
        page.clock.run_for(1000)
        expect(page.locator("#item-h")).to_contain_text(f"Item {number} of")
        if number == 2:
            work_for(page, 16)
        expect(page.locator("#break-offer")).to_be_visible()
    page.clock.run_for(16 * 60_000)  # nobody there
    page.mouse.move(310, 310)
    page.clock.run_for(2000)
    expect(page.locator("#break-offer")).to_be_hidden()


# Reading aids


def test_code_wraps_and_copies_and_formulas_copy_their_tex(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, [AIDS, AIDS + "\nMore."])
    page = open_page(world.member().user, permissions=["clipboard-read", "clipboard-write"])
    start(page)
    clipboard: Callable[[], str] = lambda: page.evaluate("navigator.clipboard.readText()")  # noqa: E731
    card = page.locator("#resp-a")
    code = card.locator("pre.hl")
    is_cut: Callable[[], bool] = lambda: code.evaluate("e => e.scrollWidth > e.clientWidth")  # noqa: E731
    assert is_cut()
    code.focus()
    page.keyboard.press("Tab")
    wrap = card.get_by_role("button", name="Wrap")
    expect(wrap).to_be_focused()
    expect(card.locator(".code-tools").first).to_have_css("opacity", "1")
    page.keyboard.press("Space")
    expect(wrap).to_have_attribute("aria-pressed", "true")
    assert not is_cut()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    expect(card.get_by_role("button", name="Copy code")).to_have_text("Copied")
    assert clipboard().startswith("def merge(meetings):\n    return sorted")
    assert not Judgment.objects.exists()

    card.get_by_role("button", name="Copy TeX").click()
    expect(page.locator("#live")).to_have_text("Copied")
    assert clipboard() == "\\frac{n}{2}"


def test_a_link_opens_only_when_it_was_said_twice(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, [AIDS, AIDS + "\nMore."])
    page = open_page(world.member().user)
    page.context.route("https://example.org/**", lambda route: route.fulfill(body="the notes"))
    start(page)
    card = page.locator("#resp-a")
    expect(card.locator(".md a")).to_have_count(0)
    expect(card.get_by_role("link")).to_have_count(1)  # the trap and the mail stay words
    link = card.get_by_role("link", name="the notes")
    link.click()
    dialog = page.get_by_role("dialog", name="Open example.org in a new tab?")
    expect(dialog).to_contain_text("https://example.org/notes?x=1")
    assert faults(page) == []
    dialog.get_by_role("button", name="Stay here").click()
    expect(dialog).to_be_hidden()
    assert len(page.context.pages) == 1

    link.focus()
    page.keyboard.press("Enter")
    with page.context.expect_page() as tab:
        dialog.get_by_role("link", name="Open").click()
    expect(tab.value.get_by_text("the notes")).to_be_visible()
    assert tab.value.url == "https://example.org/notes?x=1"
    assert tab.value.evaluate("[opener, document.referrer]") == [None, ""]
    expect(dialog).to_be_hidden()
    assert not Judgment.objects.exists()


def test_j_and_k_go_from_turn_to_turn_of_whole_conversations(open_page: OpenPage) -> None:
    world = pairwise()
    pair(world, FAR)
    turns = [
        {"role": "assistant" if n % 2 == 0 else "user", "content": f"Turn {n + 1}.\n\n" + "Words.\n\n" * 25}
        for n in range(4)
    ]
    with pgtrigger.ignore():  # completions never change; these do before anybody has read them
        Completion.objects.update(messages=turns)
    page = open_page(world.member().user)
    start(page)
    expect(page.locator("#resp-a .turn-mark")).to_have_text(
        [f"{'Assistant' if n % 2 == 0 else 'User'} turn {n + 1} of 4" for n in range(4)]
    )
    marks = page.locator("#resp-a .turn-mark")

    def below_header() -> list[int]:
        """Turns whose heads stand right under the header of the card."""
        tops = marks.evaluate_all("all => all.map(e => e.getBoundingClientRect().top)")
        header = page.locator("#resp-a .resp-head").bounding_box()
        assert header is not None
        edge = header["y"] + header["height"]
        return [number for number, top in enumerate(tops, start=1) if 0 <= top - edge < 24]

    page.keyboard.press("j")
    assert below_header() == [1]
    page.keyboard.press("j")
    page.keyboard.press("j")
    assert below_header() == [3]
    page.keyboard.press("k")
    assert below_header() == [2]


# Scales

SCALES = {
    2: [-1, 1],
    3: [-1, 0, 1],
    5: [-2, -1, 0, 1, 2],
    7: [-3, -2, -1, 0, 1, 2, 3],
    8: [-4, -3, -2, -1, 1, 2, 3, 4],
}


def stored(annotator: Membership) -> list[int]:
    rows = Judgment.objects.current().filter(annotator=annotator).order_by("id")
    return [row.pairwise_answers.get(criterion__key="overall").preference for row in rows]  # type: ignore[attr-defined]


@pytest.mark.parametrize("points", SCALES)
def test_digits_run_from_left_to_right_on_every_scale(points: int, open_page: OpenPage) -> None:
    world = pairwise(points=points)
    pair(world, FAR, items=points)
    annotator = world.member()
    page = open_page(annotator.user)
    start(page)
    expect(page.locator(".scale .seg")).to_have_count(points)
    expected = []
    for digit, preference in enumerate(SCALES[points], start=1):
        expect(page.locator("#item-h")).to_contain_text(f"Item {digit} of {points}")
        expected.append(sign(page, "Sort the pairs") * preference)
        page.keyboard.press("9")  # no scale has it
        expect(page.locator(".scale :checked")).to_have_count(0)
        page.keyboard.press(str(digit))
        expect(page.locator(".tie-why")).to_be_visible(visible=preference == 0)
        if preference == 0:
            page.keyboard.press("2")
            expect(page.get_by_role("radio", name="Both poor")).to_be_checked()
        expect(page.locator("#resp-a .verdict")).to_have_count(sum(p < 0 for p in SCALES[points]))
        expect(page.locator(".verdict:visible")).to_have_count(0 if preference == 0 else 1)
        wait_until_read(page)
        page.wait_for_timeout(320)
        page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("No more items for you")
    assert stored(annotator) == expected
    ties = Judgment.objects.filter(pairwise_answers__tie_reason="both_poor").count()
    assert ties == (1 if 0 in SCALES[points] else 0)


def test_criteria_come_before_overall(open_page: OpenPage) -> None:
    world = pairwise(
        criteria=[{"key": "correctness", "name": "Correctness"}, {"key": "clarity", "name": "Clarity"}]
    )
    pair(world, FAR)
    page = open_page(world.member().user)
    start(page)
    active = page.locator('[data-active="true"]')
    for key in ("correctness", "clarity", "overall"):
        expect(active).to_have_attribute("data-q", key)
        page.keyboard.press("1")
    expect(page.locator("[data-q] :checked")).to_have_count(3)


# Looks


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("size", [WIDE, PHONE], ids=["wide", "phone"])
def test_axe_finds_nothing_with_the_aids_open(size: tuple[int, int], theme: str, open_page: OpenPage) -> None:
    world = pairwise(criteria=[{"key": "clarity", "name": "Clarity"}])
    pair(world, [AIDS, AIDS + "\nMore."])
    page = open_page(world.member().user, size=size, theme=theme)
    start(page)
    assert faults(page) == []
    page.locator("#differences-button").click()
    expect(page.locator(".diff mark").first).to_be_attached()
    assert faults(page) == []
    page.locator("#report-button").click()
    expect(page.locator("#report")).to_be_visible()
    assert faults(page) == [] and overflow(page) == 0
    box = page.locator("#report").bounding_box()
    assert box is not None
    assert box["x"] >= 0 and box["x"] + box["width"] <= size[0]
    assert box["y"] >= 0 and box["y"] + box["height"] <= size[1]
    assert Assignment.objects.filter(state="leased").count() == 1
