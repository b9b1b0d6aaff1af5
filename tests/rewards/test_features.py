"""Surface features: finite for any text, and antisymmetric in the two completions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rewards.features import FEATURE_NAMES, FEATURES, surface_differences, surface_features
from rewards.pairs import PreferencePair


def feature(name: str, completion: str, prompt: str = "Why is the sky blue?") -> float:
    return float(surface_features(prompt, completion)[FEATURE_NAMES.index(name)])


@given(st.text(), st.text(), st.text())
def test_swapping_the_sides_flips_every_sign(prompt: str, left: str, right: str) -> None:
    there = surface_differences([PreferencePair(prompt, left, right)])
    back = surface_differences([PreferencePair(prompt, right, left)])
    assert np.isfinite(there).all()
    np.testing.assert_array_equal(there, -back)


@pytest.mark.parametrize(
    "text", ["", " ", "\n\n", "…", "مرحبا، كيف الحال؟", "日本語の文。", "👩‍👩‍👧", "`" * 500]
)
def test_odd_texts_have_features(text: str) -> None:
    assert np.isfinite(surface_features(text, text)).all()


def test_there_are_about_twenty_and_each_has_a_name_and_a_meaning() -> None:
    assert 20 <= len(FEATURES) <= 25
    assert len(set(FEATURE_NAMES)) == len(FEATURES)
    assert all(entry.meaning for entry in FEATURES)


@pytest.mark.parametrize(
    ("name", "completion", "expected"),
    [
        ("log_characters", "four", np.log1p(4)),
        ("log_words", "It's three words", np.log1p(3)),
        ("log_sentences", "One. Two! Three?", np.log1p(3)),
        ("log_sentences", "no end", np.log1p(1)),
        ("letters_per_word", "ab abcd", 3),
        ("log_paragraphs", "one\n\ntwo\n \nthree", np.log1p(2)),
        ("log_list_items", "1. one\n2) two\n- three\nfour", np.log1p(3)),
        ("log_headings", "# A\n## B\n#no", np.log1p(2)),
        ("log_emphasis", "**a** and **b** * c *", np.log1p(2)),
        ("log_code", "use `x`", np.log1p(1)),
        ("log_questions", "a? b?", np.log1p(2)),
        ("digit_share", "a1b2", 0.5),
        ("capital_share", "ABcd", 0.5),
        ("type_token_ratio", "a a b b", 0.5),
        ("log_refusals", "I can’t do that. I am unable to help.", np.log1p(2)),
        ("log_apologies", "Sorry! Unfortunately not.", np.log1p(2)),
        ("first_person_share", "I say my word", 0.5),
        ("second_person_share", "you're not me", 1 / 3),
        ("prompt_overlap", "the sea", 0.5),
        ("prompt_coverage", "the sky", 0.4),
        ("is_finished", "Done.", 1),
        ("is_finished", "and then", 0),
    ],
)
def test_feature_counts_what_it_says(name: str, completion: str, expected: float) -> None:
    assert feature(name, completion) == pytest.approx(expected)
