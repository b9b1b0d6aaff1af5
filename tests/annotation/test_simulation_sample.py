"""The model of a person, without an instance: spam, drift, and judgments as arrays."""

from typing import Any

import numpy as np
import pytest

from annotation.simulation import SimulatedAnnotator
from annotation.simulation.annotator import SPAM_STYLES, SpamStyle
from annotation.simulation.answers import another_answer
from annotation.simulation.sample import SampledJudgments, sample_judgments
from annotation.simulation.truth import from_preferences


def lease(number: int, kind: str = "pairwise", texts: tuple[str, ...] = ("one", "two")) -> dict[str, Any]:
    low = {"pairwise": -3, "rating": 1}.get(kind)
    high = {"pairwise": 3, "rating": 7}.get(kind)
    return {
        "assignment": number,
        "attempt": 1,
        "submission_id": "00000000-0000-4000-8000-000000000001",
        "protocol": {"kind": kind, "criteria": [{"key": "overall", "low": low, "high": high, "ties": True}]},
        "item": {
            "prompt": f"Why {number}?",
            "completions": [
                {"label": label, "content": text} for label, text in zip("ABCD", texts, strict=False)
            ],
        },
    }


def answers_of(style: SpamStyle, count: int) -> list[dict[str, Any]]:
    person = SimulatedAnnotator(skill=1, seed=4, spam=style)
    truth = from_preferences(["one", "two"], {"overall": -1.0})
    sent = [person.submission(lease(number), truth, number) for number in range(count)]
    assert all(0.4 <= submission["active_seconds"] <= 1.5 for submission in sent)
    assert all(submission["read_to_end"] == [] for submission in sent)
    return [submission["answer"] for submission in sent]


def test_each_style_of_spam_looks_like_itself() -> None:
    same = answers_of("same", 20)
    assert all(answer == same[0] for answer in same)
    assert answers_of("alternating", 4) == [
        {"preferred": "AB"[number % 2], "strength": 3} for number in range(4)
    ]
    sides = [answer.get("preferred") for answer in answers_of("random", 200)]
    assert 60 <= sides.count("A") <= 140 and 40 <= sides.count("B") <= 140
    assert answers_of("random", 20) == answers_of("random", 20)


@pytest.mark.parametrize("kind", ["ranking", "rating"])
@pytest.mark.parametrize("style", SPAM_STYLES)
def test_spam_reads_nothing_in_any_kind(kind: str, style: SpamStyle) -> None:
    person = SimulatedAnnotator(skill=1, seed=4, spam=style)
    shown = lease(1, kind)
    good = from_preferences(["one", "two"], {"overall": 1.0})
    bad = from_preferences(["one", "two"], {"overall": -1.0})
    assert person.submission(shown, good) == person.submission(shown, bad)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        ("pairwise", {"preferred": "A", "strength": 2}),
        ("pairwise", {"preferred": "B", "strength": 1, "criteria": {"clarity": {"tie": ""}}}),
        ("pairwise", {"tie": "both_good"}),
        ("ranking", {"ranking": [["A"], ["B"]]}),
        ("ranking", {"ranking": [["A", "B"]]}),
        ("rating", {"ratings": {"A": {"overall": 7}, "B": {"overall": 1}}}),
        ("rating", {"ratings": {"A": {"overall": 1}, "B": {"overall": 1}}}),
    ],
)
def test_another_answer_differs_and_keeps_the_criteria(kind: str, answer: dict[str, Any]) -> None:
    other = another_answer(lease(1, kind), answer)
    assert other != answer
    assert other.get("criteria") == answer.get("criteria")


def test_drift_moves_the_skill_with_the_judgments_done_and_stays_in_range() -> None:
    person = SimulatedAnnotator(skill=0.9, seed=1, drift=-0.4, drift_judgments=50)
    assert [round(person.skill_after(done), 2) for done in (0, 25, 50, 500)] == [0.9, 0.7, 0.5, 0.5]
    assert SimulatedAnnotator(skill=0.2, seed=1, drift=-0.4).skill_after(1000) == 0.0
    assert SimulatedAnnotator(skill=0.9, seed=1, drift=0.4).skill_after(1000) == 1.0
    steady = SimulatedAnnotator(skill=0.9, seed=1)
    assert steady.submission(lease(1), None, 0) == steady.submission(lease(1), None, 1000)


def is_right(drawn: SampledJudgments) -> Any:
    return np.sign(drawn.preference) == np.sign(drawn.truth[drawn.item])


def test_drift_shows_as_a_fall_in_what_is_right() -> None:
    clear = np.where(np.arange(600) % 2, 0.5, -0.5)
    fallen = {}
    for drift in (0.0, -0.6):
        people = [SimulatedAnnotator(skill=0.9, seed=1, drift=drift, drift_judgments=300)]
        drawn = sample_judgments(people, 600, seed=5, truth=clear)
        right = is_right(drawn)
        fallen[drift] = right[drawn.number < 100].mean() - right[drawn.number >= 500].mean()
    assert abs(fallen[0.0]) < 0.05
    assert fallen[-0.6] > 0.1


def test_a_sample_has_its_overlap_and_the_same_seed_draws_it_again() -> None:
    people = [SimulatedAnnotator(skill=0.8 - 0.3 * index, seed=index) for index in range(3)]
    drawn = sample_judgments(people, 200, seed=1, overlap=2)
    again = sample_judgments(people, 200, seed=1, overlap=2)
    for column in ("item", "annotator", "number", "preference", "first_shown", "active_seconds", "truth"):
        assert np.array_equal(getattr(drawn, column), getattr(again, column))
    assert np.array_equal(np.bincount(drawn.item), np.full(200, 2))
    pairs = set(zip(drawn.item.tolist(), drawn.annotator.tolist(), strict=True))
    assert len(pairs) == 400
    for index in range(3):
        numbers = drawn.number[drawn.annotator == index]
        assert numbers.tolist() == list(range(len(numbers)))
    assert set(drawn.preference.tolist()) <= set(range(-3, 4))
    right = is_right(drawn)
    shares = [right[drawn.annotator == index].mean() for index in range(3)]
    assert shares[0] > shares[1] > shares[2]


def test_a_sample_undoes_the_order_of_the_screen() -> None:
    expert = [SimulatedAnnotator(skill=1, seed=1)]
    drawn = sample_judgments(expert, 60, seed=2, truth=np.linspace(-1, 1, 60))
    assert set(drawn.first_shown.tolist()) == {0, 1}
    assert drawn.preference.tolist() == [round(3 * drawn.truth[item]) for item in drawn.item]

    leaning = [SimulatedAnnotator(skill=0.3, seed=1, position_bias=1.5)]
    drawn = sample_judgments(leaning, 100, seed=2)
    took_first = np.where(drawn.first_shown == 0, drawn.preference < 0, drawn.preference > 0)
    assert took_first.mean() > 0.9

    longer = [SimulatedAnnotator(skill=0.2, seed=1, length_bias=1.0)]
    drawn = sample_judgments(longer, 100, seed=2, lengths=np.tile([20, 900], (100, 1)))
    assert (drawn.preference > 0).mean() > 0.9


def test_a_sample_judges_as_over_the_api() -> None:
    """Which place is favoured, and that the count starts at 0, is the same through a lease and as arrays."""
    spammer = SimulatedAnnotator(skill=1, seed=9, spam="alternating")
    drawn = sample_judgments([spammer], 10, seed=3, strongest=3)
    favours_first_shown = (drawn.preference < 0) == (drawn.first_shown == 0)
    assert favours_first_shown.tolist() == [number % 2 == 0 for number in drawn.number.tolist()]


def test_a_sample_refuses_what_does_not_fit() -> None:
    people = [SimulatedAnnotator(skill=1, seed=1)]
    with pytest.raises(ValueError, match="overlap of 2"):
        sample_judgments(people, 3, seed=1, overlap=2)
    with pytest.raises(ValueError, match="3 items have truth"):
        sample_judgments(people, 3, seed=1, truth=np.zeros(4))


def test_people_outside_their_range_are_refused() -> None:
    for settings in ({"drift": -1.5}, {"drift_judgments": 0}, {"spam": "sometimes"}):
        with pytest.raises(ValueError, match=r"drift|spam"):
            SimulatedAnnotator(skill=0.5, seed=1, **settings)  # type: ignore[arg-type]


def test_careful_seeds_have_not_shifted() -> None:
    """Stored demos and figures were made with these answers, so they may not change by accident."""
    person = SimulatedAnnotator(skill=0.6, seed=15, position_bias=0.15)
    texts = [("one " * (number % 3 + 1), "two") for number in range(12)]
    sent = [person.submission(lease(number, texts=pair), None) for number, pair in enumerate(texts)]
    told = [answer.get("tie") or answer["preferred"] for answer in (s["answer"] for s in sent)]
    assert told == [
        *("A", "nearly_identical", "both_poor", "both_good", "both_poor", "both_poor"),
        *("nearly_identical", "A", "A", "both_good", "both_poor", "A"),
    ]
