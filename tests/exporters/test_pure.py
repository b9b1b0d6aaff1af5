"""Labels, splits, settings and files: pure functions."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from annotation.errors import Refused
from exporters.card import card_for
from exporters.checksums import checksums
from exporters.files import write_dataset
from exporters.formats.preference import preference
from exporters.settings import release_settings
from exporters.splits import side_of, split_key
from tests.exporters.releases import lines_of

SHARES = (("train", 0.8), ("test", 0.2))


# Splits


@given(st.text(max_size=30), st.integers(0, 2**62), st.integers(0, 2**62))
def test_a_prompt_has_one_side_whatever_else_is_there(prompt: str, project: int, seed: int) -> None:
    digest = hashlib.sha256(prompt.encode("utf-8", "surrogatepass")).hexdigest()
    sides = {side_of(digest, split_key(project, seed), SHARES) for _ in range(3)}
    assert len(sides) == 1 and sides <= {"train", "test"}


def test_shares_are_kept_and_seeds_move_prompts() -> None:
    prompts = [hashlib.sha256(str(number).encode()).hexdigest() for number in range(10_000)]
    first = [side_of(prompt, split_key(7, 0), SHARES) for prompt in prompts]
    second = [side_of(prompt, split_key(7, 1), SHARES) for prompt in prompts]
    # Four standard deviations of a binomial share of 0.2 in 10,000.
    assert abs(first.count("test") / 10_000 - 0.2) < 0.016
    moved = sum(a != b for a, b in zip(first, second, strict=True))
    assert abs(moved / 10_000 - 0.32) < 0.02


def test_a_prompt_that_moves_to_a_smaller_train_share_only_leaves_train() -> None:
    """The line is cut from the left, so shrinking train sends prompts away from it and none to it."""
    key = split_key(7, 0)
    for number in range(2_000):
        prompt = hashlib.sha256(str(number).encode()).hexdigest()
        if side_of(prompt, key, (("train", 0.7), ("test", 0.3))) == "train":
            assert side_of(prompt, key, SHARES) == "train"


def test_thirds_that_do_not_quite_add_up_leave_no_gap() -> None:
    shares = (("train", 1 / 3), ("validation", 1 / 3), ("test", 1 / 3 - 1e-9))
    sides = [side_of(str(number), b"key", shares) for number in range(3_000)]
    assert {side: 900 < sides.count(side) < 1_100 for side in sides} == dict.fromkeys(
        ("train", "validation", "test"), True
    )


# Settings


def test_an_empty_request_gets_the_documented_defaults() -> None:
    assert release_settings({}).as_json() == {
        "filters": {
            "batches": [],
            "languages": [],
            "guideline_versions": [],
            "since": "",
            "before": "",
            "min_judgments": 1,
            "min_agreement": 0.0,
            "paused": "include",
        },
        "labels": "majority",
        "criterion": "overall",
        "ranking_pairs": "all",
        "ties": "drop",
        "debias": {"max_lean": None, "both_orders": False, "length_balanced": False},
        "split": {"train": 0.8, "test": 0.2, "seed": 0, "clusters": "near"},
        "formats": ["preference"],
        "chat_template": "",
        "license": "",
    }


def test_settings_survive_their_own_json() -> None:
    chosen = release_settings(
        {
            "filters": {
                "batches": [3, 1, 3],
                "languages": ["en"],
                "guideline_versions": [2],
                "since": "2026-01-31",
                "before": "2026-02-01T09:00:00+01:00",
                "min_judgments": 2,
                "min_agreement": 0.6,
                "paused": "exclude",
            },
            "labels": "every",
            "criterion": "correctness",
            "license": "apache-2.0",
            "ranking_pairs": "adjacent",
            "debias": {"max_lean": 0.1, "both_orders": True, "length_balanced": True},
            "ties": "both",
            "split": {"train": 0.5, "validation": 0.25, "test": 0.25, "seed": 9},
        }
    )
    assert chosen.batches == (1, 3)
    assert (chosen.since, chosen.before) == ("2026-01-31T00:00:00+00:00", "2026-02-01T08:00:00+00:00")
    assert release_settings(json.loads(json.dumps(chosen.as_json()))) == chosen


def test_reference_labels_need_no_judgment() -> None:
    assert release_settings({"labels": "reference"}).min_judgments == 0


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"labels": "best"}, "labels"),
        ({"ties": "soft", "formats": ["unpaired-preference"]}, "ties"),
        ({"ties": "soft", "formats": ["preference", "openai"]}, "ties"),
        ({"ties": 3}, "ties"),
        ({"formats": ["parquet"]}, "formats"),
        ({"formats": []}, "formats"),
        ({"formats": "preference"}, "formats"),
        ({"filters": {"min_judgments": 0}}, "filters.min_judgments"),
        ({"filters": {"min_judgments": True}}, "filters.min_judgments"),
        ({"filters": {"batches": [0]}}, "filters.batches"),
        ({"filters": {"batches": "1"}}, "filters.batches"),
        ({"filters": {"item__metadata": "x"}}, "filters.item__metadata"),
        ({"filters": []}, "filters"),
        ({"filters": {"since": "yesterday"}}, "filters.since"),
        ({"filters": {"since": "2026-01-31T09:00"}}, "filters.since"),
        ({"filters": {"before": 2026}}, "filters.before"),
        ({"filters": {"since": "2026-02-01", "before": "2026-02-01"}}, "filters.before"),
        ({"filters": {"min_agreement": 1.1}}, "filters.min_agreement"),
        ({"filters": {"min_agreement": float("nan")}}, "filters.min_agreement"),
        ({"filters": {"paused": True}}, "filters.paused"),
        ({"filters": {"guideline_versions": [0]}}, "filters.guideline_versions"),
        ({"criterion": 3}, "criterion"),
        ({"ranking_pairs": "some"}, "ranking_pairs"),
        ({"debias": {"max_lean": 0.5}}, "debias.max_lean"),
        ({"debias": {"max_lean": 0}}, "debias.max_lean"),
        ({"debias": {"both_orders": "yes"}}, "debias.both_orders"),
        ({"debias": {"length": True}}, "debias.length"),
        ({"labels": "reference", "criterion": "kind"}, "criterion"),
        ({"labels": "reference", "filters": {"min_agreement": 0.5}}, "filters.min_agreement"),
        ({"labels": "reference", "debias": {"both_orders": True}}, "debias.both_orders"),
        ({"split": {"train": 0.8}}, "split"),
        ({"split": {"train": 0.8, "test": "0.2"}}, "split.test"),
        ({"split": {"train": 1, "seed": -1}}, "split.seed"),
        ({"split": {"clusters": "none"}}, "split.clusters"),
        ({"split": {"clusters": ["near"]}}, "split.clusters"),
        ({"split": {"train": 0.8, "holdout": 0.2}}, "split.holdout"),
        ({"license": "CC BY"}, "license"),
        ({"license": "a: b"}, "license"),
        ({"label": "majority"}, "label"),
    ],
)
def test_a_setting_that_does_not_fit_is_named(body: dict[str, Any], field: str) -> None:
    with pytest.raises(Refused) as refusal:
        release_settings(body)
    assert [error.field for error in refusal.value.errors] == [field]
    assert refusal.value.status == 422


# Files

messages = st.lists(
    st.fixed_dictionaries(
        {
            "role": st.sampled_from(["system", "user", "assistant"]),
            "content": st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
        }
    ),
    min_size=1,
    max_size=3,
)
records = st.fixed_dictionaries(
    {
        "id": st.text("0123456789-", min_size=1),
        "item": st.text(st.characters(exclude_categories=["Cs"]), max_size=10),
        "prompt": messages,
        "chosen": messages,
        "rejected": messages,
        "soft_label": st.floats(0, 1),
        "protocol": st.just("pairwise v1"),
    }
)
rows = st.lists(st.tuples(st.sampled_from(["train", "test"]), records), max_size=12)


def written(folder: Path, data: list[tuple[str, dict[str, Any]]], per_shard: int = 5) -> dict[str, bytes]:
    folder.mkdir(parents=True)
    files = write_dataset(folder, preference.schema, data, per_shard)
    assert sorted(file.path for file in files) == sorted(path.name for path in folder.iterdir())
    return {file.path: (folder / file.path).read_bytes() for file in files}


@settings(deadline=None)  # the first Parquet file of a run loads its library
@given(data=rows)
def test_both_types_hold_the_same_rows_and_the_bytes_repeat(
    tmp_path_factory: pytest.TempPathFactory, data: list[tuple[str, dict[str, Any]]]
) -> None:
    folder = tmp_path_factory.mktemp("files")
    files = written(folder / "a", data)
    assert files == written(folder / "b", data)
    for side in ("train", "test"):
        expected = [record for where, record in data if where == side]
        names = sorted(
            name.removesuffix(".jsonl.gz") for name in files if name.startswith(side) and "jsonl" in name
        )
        assert len(names) == -(-len(expected) // 5)
        lines = [record for name in names for record in lines_of(files[f"{name}.jsonl.gz"])]
        table = [row for name in names for row in pq.read_table(folder / "a" / f"{name}.parquet").to_pylist()]
        assert lines == table == expected


def test_shards_are_numbered_by_their_count(tmp_path: Path) -> None:
    record = {
        "id": "1",
        "item": "",
        "prompt": [],
        "chosen": [],
        "rejected": [],
        "soft_label": 0.5,
        "protocol": "",
    }
    files = written(tmp_path / "files", [("train", record)] * 11)
    assert sorted(files) == [
        f"train-0000{number}-of-00003.{kind}" for number in range(3) for kind in ("jsonl.gz", "parquet")
    ]
    assert [
        pq.read_metadata(tmp_path / "files" / f"train-0000{n}-of-00003.parquet").num_rows for n in range(3)
    ] == [
        5,
        5,
        1,
    ]


def test_checksums_have_the_form_of_sha256sum() -> None:
    assert checksums([("b.txt", "22"), ("a.txt", "11")]) == "11  a.txt\n22  b.txt\n"


def test_the_card_of_a_jsonl_folder_points_at_jsonl_only() -> None:
    card = (
        '---\npretty_name: "train-*.parquet"\nconfigs:\n- config_name: default\n  data_files:\n'
        "  - split: train\n    path: train-*.parquet\n  - split: test\n    path: test-*.parquet\n---\n"
        "Read train-*.parquet.\n"
    )
    changed = card_for(card, "jsonl")
    assert "    path: train-*.jsonl*\n" in changed and "    path: test-*.jsonl*\n" in changed
    assert 'pretty_name: "train-*.parquet"' in changed and changed.endswith("Read train-*.parquet.\n")
