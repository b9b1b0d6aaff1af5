"""Demonstrations and critiques: nothing changes on the way to the tables, refusals by field, changes, erasure."""

from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.http import QueryDict
from django.utils import timezone
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.kinds import AnswerError, JudgmentKind
from annotation.models import AuditEvent, Draft, Judgment, Report
from annotation.models.erasing import ERASING
from annotation.services.reports import handle_report, report_item
from comparisons.erasure import erase_texts
from comparisons.kinds import CRITIQUE, DEMONSTRATION
from comparisons.kinds.critique.changes import PRODUCT_MAX, changes
from comparisons.models import CritiqueAnswer, CritiquePrinciple, DemonstrationAnswer
from comparisons.models.texts import CRITIQUE_MAX, REVISION_MAX, TEXT_MAX
from tests.comparisons.screens import CONTENTS, problems, save, screen_for, stored_and_read
from tests.factories import NOW, make_world

EXAMPLES = settings(max_examples=40, deadline=None)
PRINCIPLES = {"criteria": [{"name": "Honest", "question": "It says nothing false."}, {"name": "Kind"}]}
ORIGINAL = CONTENTS[0]
STORABLE = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\x00\r"), min_size=1, max_size=200
).filter(lambda text: text.strip())
GOOD = {"principles": ["kind"], "critique": "Curt.", "revision": "First reply, with thanks."}


@pytest.mark.django_db
@EXAMPLES
@given(text=STORABLE, order=st.integers(0, 5).flatmap(lambda size: st.permutations(range(min(size, 5)))))
def test_demonstrations_come_back_as_they_were_written(text: str, order: list[int]) -> None:
    """Also for an item with no completion, whatever the completions' order."""
    screen = screen_for(DEMONSTRATION, {}, order)
    assert stored_and_read(DEMONSTRATION, screen, {"text": text}) == {"text": text}


@st.composite
def critiques(draw: st.DrawFn) -> dict[str, Any]:
    chosen = draw(st.sets(st.sampled_from(["honest", "kind"])))
    broken = [key for key in ("honest", "kind") if key in chosen]
    revision = draw(STORABLE.filter(lambda text: text.strip() != ORIGINAL) if broken else STORABLE)
    return {"principles": broken, "critique": draw(STORABLE), "revision": revision}


@pytest.mark.django_db
@EXAMPLES
@given(answer=critiques())
def test_critiques_come_back_as_they_were_given(answer: dict[str, Any]) -> None:
    assert stored_and_read(CRITIQUE, screen_for(CRITIQUE, PRINCIPLES, [0]), answer) == answer


@EXAMPLES
@given(answer=critiques())
def test_a_critique_form_with_an_answer_in_it_gives_that_answer_again(answer: dict[str, Any]) -> None:
    screen = screen_for(CRITIQUE, PRINCIPLES, [0])
    context = CRITIQUE.form_context(screen, answer)
    form = QueryDict(mutable=True)
    form.setlist("principles", [p["key"] for p in context["principles"] if p["checked"]])
    if context["none"]:
        form.appendlist("principles", "")
    form["critique"], form["revision"] = context["critique"], context["revision"]
    assert CRITIQUE.answer_from_form(form, screen) == answer


@pytest.mark.parametrize(
    ("form", "answer"),
    [
        ("", {}),
        ("principles=", {"principles": []}),
        ("principles=kind&principles=honest", {"principles": ["kind", "honest"]}),
        ("principles=kind&principles=", {"principles": ["kind", ""]}),
        ("critique=&revision=x", {"critique": "", "revision": "x"}),
    ],
)
def test_the_critique_form_says_what_the_api_says(form: str, answer: dict[str, Any]) -> None:
    assert CRITIQUE.answer_from_form(QueryDict(form), screen_for(CRITIQUE, PRINCIPLES, [0])) == answer


def test_the_demonstration_form_says_what_the_api_says() -> None:
    screen = screen_for(DEMONSTRATION, {}, [0])
    assert DEMONSTRATION.answer_from_form(QueryDict("text=a%0D%0Ab"), screen) == {"text": "a\r\nb"}
    assert DEMONSTRATION.answer_from_form(QueryDict(""), screen) == {}
    assert DEMONSTRATION.parse({"text": "a\r\nb\rc"}, screen) == "a\nb\nc"
    assert DEMONSTRATION.form_context(screen, {"text": "a"})["text"] == "a"


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([], {("", "not_an_object"), ("text", "required")}),
        ({}, {("text", "required")}),
        ({"text": None}, {("text", "required")}),
        ({"text": " \n\t"}, {("text", "required")}),
        ({"text": 3}, {("text", "not_text")}),
        ({"text": "a\x00"}, {("text", "not_storable")}),
        ({"text": "a\ud800"}, {("text", "not_storable")}),
        ({"text": "x" * (TEXT_MAX + 1)}, {("text", "too_long")}),
        ({"text": "x", "words": 1}, {("words", "unknown_field")}),
        ({"text": "x", "preference": 1}, {("preference", "signed_form")}),
    ],
)
def test_a_demonstration_that_does_not_fit_is_refused_by_field(
    answer: Any, expected: set[tuple[str, str]]
) -> None:
    assert problems(DEMONSTRATION, answer, screen_for(DEMONSTRATION, {}, [0])) == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ([], {("", "not_an_object"), *((name, "required") for name in GOOD)}),
        ({}, {(name, "required") for name in GOOD}),
        (GOOD | {"principles": "kind"}, {("principles", "not_a_list")}),
        (GOOD | {"principles": ["kind", "clever"]}, {("principles.1", "not_a_choice")}),
        (GOOD | {"principles": [["kind"]]}, {("principles.0", "not_a_choice")}),
        (GOOD | {"principles": ["overall"]}, {("principles.0", "not_a_choice")}),
        (GOOD | {"principles": ["kind", "kind"]}, {("principles.1", "duplicate")}),
        (GOOD | {"principles": ["kind", ""]}, {("principles.1", "contradiction")}),
        (GOOD | {"critique": " "}, {("critique", "required")}),
        (GOOD | {"critique": "x" * (CRITIQUE_MAX + 1)}, {("critique", "too_long")}),
        (GOOD | {"critique": ["x"]}, {("critique", "not_text")}),
        (GOOD | {"revision": ""}, {("revision", "required")}),
        (GOOD | {"revision": "x" * (REVISION_MAX + 1)}, {("revision", "too_long")}),
        (GOOD | {"revision": "\x00"}, {("revision", "not_storable")}),
        (GOOD | {"revision": ORIGINAL}, {("revision", "unchanged")}),
        (GOOD | {"revision": f"{ORIGINAL}\r\n"}, {("revision", "unchanged")}),
        (GOOD | {"diff": ""}, {("diff", "unknown_field")}),
    ],
)
def test_a_critique_that_does_not_fit_is_refused_by_field(
    answer: Any, expected: set[tuple[str, str]]
) -> None:
    assert problems(CRITIQUE, answer, screen_for(CRITIQUE, PRINCIPLES, [0])) == expected


def test_an_unchanged_revision_is_taken_where_no_principle_is_broken() -> None:
    answer = {"principles": [], "critique": "It is fine.", "revision": ORIGINAL}
    assert not CRITIQUE.parse(answer, screen_for(CRITIQUE, PRINCIPLES, [0])).is_changed


@pytest.mark.parametrize(
    ("kind", "protocol", "expected"),
    [
        (CRITIQUE, {}, ("criteria", "required")),
        (CRITIQUE, {"criteria": ["overall"]}, ("criteria", "required")),
        (DEMONSTRATION, {"criteria": ["Tone"]}, ("criteria", "not_possible")),
        (DEMONSTRATION, {"points": 5}, ("points", "unknown_field")),
        (CRITIQUE, {"ties": True, "criteria": ["Tone"]}, ("ties", "unknown_field")),
    ],
)
def test_protocols_that_do_not_fit_are_refused(
    kind: JudgmentKind, protocol: dict[str, Any], expected: tuple[str, str]
) -> None:
    with pytest.raises(AnswerError) as refusal:
        kind.protocol(protocol)
    assert {(error.field, error.code) for error in refusal.value.errors} == {expected}


def test_one_person_writes_unless_more_are_asked_for() -> None:
    assert DEMONSTRATION.protocol({}).overlap == 1
    assert CRITIQUE.protocol(PRINCIPLES | {"overlap": 2}).overlap == 2


def test_principles_have_the_digits_one_to_nine() -> None:
    screen = screen_for(CRITIQUE, {"criteria": [f"P{number}" for number in range(11)]}, [0])
    shown = CRITIQUE.form_context(screen, None)["principles"]
    assert [principle["digit"] for principle in shown] == [1, 2, 3, 4, 5, 6, 7, 8, 9, "", ""]


@pytest.mark.parametrize(
    "answer", [{}, {"text": 3, "principles": 4}, {"principles": [{}], "critique": [], "revision": None}]
)
def test_an_answer_of_any_shape_can_be_shown_again(answer: dict[str, Any]) -> None:
    DEMONSTRATION.form_context(screen_for(DEMONSTRATION, {}, [0]), answer)
    shown = CRITIQUE.form_context(screen_for(CRITIQUE, PRINCIPLES, [0]), answer)
    assert shown["revision"] == ORIGINAL


# The tables


@pytest.mark.django_db
def test_the_tables_refuse_what_no_answer_can_be() -> None:
    screen = screen_for(CRITIQUE, PRINCIPLES, [0])
    judgment, completion = save(screen), screen.completions[0]
    good: dict[str, Any] = {
        "judgment": judgment, "completion": completion, "critique": "x", "revision": "y", "is_changed": True,
    }  # fmt: skip
    refused: list[tuple[Any, dict[str, Any], str]] = [
        (DemonstrationAnswer, {"judgment": judgment, "text": ""}, "text_length"),
        (DemonstrationAnswer, {"judgment": judgment, "text": "x" * (TEXT_MAX + 1)}, "text_length"),
        (DemonstrationAnswer, {"judgment": judgment, "text": "x", "erased_at": NOW}, "text_length"),
        (CritiqueAnswer, good | {"critique": ""}, "critique_length"),
        (CritiqueAnswer, good | {"critique": "x" * (CRITIQUE_MAX + 1)}, "critique_length"),
        (CritiqueAnswer, good | {"revision": ""}, "revision_length"),
    ]
    for model, fields, constraint in refused:
        with pytest.raises(IntegrityError, match=constraint), transaction.atomic():
            model.objects.create(**fields)
    CritiqueAnswer.objects.create(**good)
    CritiquePrinciple.objects.create(judgment=judgment, principle=screen.criteria[0])
    with pytest.raises(IntegrityError, match="critiqueprinciple_once"), transaction.atomic():
        CritiquePrinciple.objects.create(judgment=judgment, principle=screen.criteria[0])


def forbidden(change: Any) -> None:
    with pytest.raises(DatabaseError, match="Cannot"), transaction.atomic():
        change()


@pytest.mark.django_db
def test_written_answers_never_change_but_for_erasure() -> None:
    stored_and_read(DEMONSTRATION, screen_for(DEMONSTRATION, {}, [0]), {"text": "mine"})
    stored_and_read(CRITIQUE, screen_for(CRITIQUE, PRINCIPLES, [0]), GOOD)
    for model in (DemonstrationAnswer, CritiqueAnswer, CritiquePrinciple):
        forbidden(lambda model=model: model._default_manager.all().delete())
    forbidden(lambda: DemonstrationAnswer.objects.update(text="other"))
    forbidden(lambda: DemonstrationAnswer.objects.update(text="", erased_at=NOW))
    forbidden(lambda: CritiqueAnswer.objects.update(is_changed=False))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'on', true)", [ERASING])
    # Even then nothing but the blanking.
    forbidden(lambda: DemonstrationAnswer.objects.update(text="other"))
    forbidden(
        lambda: CritiqueAnswer.objects.update(critique="", revision="", erased_at=NOW, is_changed=False)
    )
    forbidden(lambda: CritiqueAnswer.objects.all().delete())
    forbidden(lambda: DemonstrationAnswer.objects.update(text="kept", erased_at=NOW))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'off', true)", [ERASING])
    assert DemonstrationAnswer.objects.get().text == "mine"


@pytest.mark.django_db
def test_erasure_blanks_the_texts_of_one_person_and_leaves_the_rest() -> None:
    world = make_world({"kind": "critique", "overlap": 2, **PRINCIPLES})
    world.batch(items=1, completions=1)
    leaving, staying = world.member(), world.member()
    for annotator in (leaving, staying):
        world.judge(annotator, GOOD)
    world.batch(items=1, completions=1)
    lease = world.lease(leaving)
    Draft.objects.create(lease=lease, annotator=leaving, answer={"critique": ["half"]}, saved_at=NOW)
    assert erase_texts(annotator=leaving, actor=world.lead, now=NOW) == 1
    assert erase_texts(annotator=leaving, actor=world.lead, now=NOW) == 0
    mine = CritiqueAnswer.objects.get(judgment__annotator=leaving)
    theirs = CritiqueAnswer.objects.get(judgment__annotator=staying)
    assert (mine.critique, mine.revision, mine.erased_at) == ("", "", NOW)
    assert (theirs.critique, theirs.revision, theirs.erased_at) == (GOOD["critique"], GOOD["revision"], None)
    assert not Draft.objects.exists()
    event = AuditEvent.objects.get(action="texts.erased")
    assert event.data == {"answers": 1, "notes": 0, "reports": 0, "decisions": 0, "drafts": 1}
    assert CRITIQUE.answer(mine.judgment, screen_for(CRITIQUE, PRINCIPLES, [0]))["principles"] == ["kind"]
    # The door is shut again.
    forbidden(lambda: CritiqueAnswer.objects.update(critique="", revision="", erased_at=timezone.now()))


@pytest.mark.django_db
def test_erasure_blanks_notes_and_reports_and_lets_nothing_else_change() -> None:
    world = make_world({"kind": "pairwise", "overlap": 2})
    batch = world.batch(items=1)
    leaving, staying = world.member(), world.member()
    for annotator in (leaving, staying):
        world.submit(world.lease(annotator), note="I wrote this.")
    for annotator, note in ((leaving, "Mine."), (leaving, "Mine too."), (staying, "Mine.")):
        report_item(annotator=annotator, item=batch.items.get(), reason="broken", note=note, now=NOW)
    handled = Report.objects.get(note="Mine too.")
    handle_report(report=handled, actor=world.lead, now=NOW)
    assert erase_texts(annotator=leaving, actor=world.lead, now=NOW) == 3
    assert erase_texts(annotator=leaving, actor=world.lead, now=NOW) == 0
    found = Judgment.objects.order_by("pk").values_list("note", "erased_at")
    assert list(found) == [("", NOW), ("I wrote this.", None)]
    assert sorted(Report.objects.values_list("note", "state")) == [
        ("", "handled"),
        ("", "open"),
        ("Mine.", "open"),
    ]
    event = AuditEvent.objects.get(action="texts.erased")
    assert event.data == {"answers": 0, "notes": 1, "reports": 2, "decisions": 0, "drafts": 0}
    theirs = Judgment.objects.filter(annotator=staying)
    # The door is shut again, and while it is open it is a narrow one.
    forbidden(lambda: theirs.update(note="", erased_at=NOW))
    forbidden(lambda: Report.objects.filter(annotator=staying).update(note="", erased_at=NOW))
    forbidden(lambda: Report.objects.filter(pk=handled.pk).update(state="open"))
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config(%s, 'on', true)", [ERASING])
    forbidden(lambda: theirs.update(note="", erased_at=NOW, state="late"))
    forbidden(lambda: theirs.update(note="Other words."))
    for rows in (theirs, Report.objects.filter(annotator=staying)):
        forbidden(lambda rows=rows: rows.update(note="Other words.", erased_at=NOW))
    forbidden(lambda: Report.objects.filter(pk=handled.pk).update(note="Back again."))
    forbidden(lambda: theirs.delete())


# The changes

WORDS = st.lists(st.sampled_from(["a", "bb", " ", "\n", ".", "文", "é"]), max_size=40).map("".join)


@EXAMPLES
@given(original=WORDS, revision=WORDS)
def test_the_changes_are_both_texts(original: str, revision: str) -> None:
    parts = changes(original, revision)
    assert "".join(part.text for part in parts if part.kind in ("same", "out")) == original
    assert "".join(part.text for part in parts if part.kind in ("same", "in")) == revision
    assert all(part.text for part in parts)


@pytest.mark.parametrize(
    ("original", "revision", "expected"),
    [
        ("A good day.", "A very good day.", [("same", "A "), ("in", "very "), ("same", "good day.")]),
        ("one two", "one two", [("same", "one two")]),
        ("old words", "new text", [("out", "old words"), ("in", "new text")]),
        ("你好吗", "你们好吗", [("same", "你"), ("in", "们"), ("same", "好吗")]),
    ],
)
def test_changes_are_told_in_words(original: str, revision: str, expected: list[tuple[str, str]]) -> None:
    assert [(part.kind, part.text) for part in changes(original, revision)] == expected


def test_texts_that_cost_too_much_in_words_are_compared_in_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []

    class Counting(changes_module().SequenceMatcher):  # type: ignore[misc]
        def __init__(self, junk: Any, a: Any, b: Any, autojunk: bool) -> None:
            compared.append(len(a) * len(b))
            super().__init__(junk, a, b, autojunk)

    monkeypatch.setattr(changes_module(), "SequenceMatcher", Counting)
    lines = [f"{number} " * 50 for number in range(300)]
    other = [line if number % 3 else f"new {line}"[:-4] for number, line in enumerate(lines)]
    parts = changes("\n".join(lines), "\n".join(other))
    assert sum(part.kind == "in" for part in parts) == 100
    hopeless = changes("x\n" * 9000 + "end", "y\n" * 9000 + "fin")
    assert [part.kind for part in hopeless] == ["out", "in"]
    assert compared
    assert max(compared) <= PRODUCT_MAX


def changes_module() -> Any:
    from comparisons.kinds.critique import changes as module

    return module


def test_a_changed_revision_is_shown_with_its_hidden_characters() -> None:
    screen = screen_for(CRITIQUE, PRINCIPLES, [0])
    shown = CRITIQUE.form_context(screen, GOOD | {"revision": "First <b>\u202e reply."})["changes"]
    html = "".join(part["html"] for part in shown)
    assert "&lt;b&gt;" in html
    assert "U+202E" in html
    assert "<b>" not in html
    assert CRITIQUE.form_context(screen, None)["changes"] is None
    assert CRITIQUE.form_context(screen, {"revision": ORIGINAL})["changes"] == []
