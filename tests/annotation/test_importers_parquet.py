"""The import format `parquet`: fields of `jsonl` and flat columns, and files that are made to hurt."""

import io
import os
import resource
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from annotation.importers import FILE_CODES, ItemRow, Limits, RowError, RowResult, check_rows
from annotation.importers.parquet import MEMORY_BYTES, PROGRAM
from tests.annotation.importing import DEMONSTRATION, PAIR, good_row, only_item, texts


def file_of(table: pa.Table, **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, **options)
    return file.getvalue()


def read(source: Any, limits: Limits = PAIR) -> list[RowResult]:
    """Results for bytes, for a table, or for columns of one."""
    if isinstance(source, dict):
        source = pa.table(source)
    content = source if isinstance(source, bytes) else file_of(source)
    return list(check_rows(io.BytesIO(content), "parquet", limits))


def error_of(source: Any, limits: Limits = PAIR) -> RowError:
    (error,) = read(source, limits)
    assert isinstance(error, RowError), error
    assert error.detail and error.fix
    return error


def flat(rows: int = 1, **columns: Any) -> dict[str, Any]:
    return {
        "prompt": ["Hi"] * rows,
        "completion_1": ["a"] * rows,
        "completion_2": ["b"] * rows,
    } | columns


def one_text(text: str, rows: int) -> pa.Array:
    """The same text in each row, which the file holds once."""
    return pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int32()), [text])


# What a row becomes


def test_the_fields_of_jsonl_give_the_same_items() -> None:
    rows = [
        good_row(
            language="en", gold={"preference": -2, "tolerance": 1}, metadata={"source": "x", "n": [1, 2]}
        ),
        good_row(
            id="b",
            gold={"preference": 1},
            metadata={"source": "y"},
            completions=[{"content": "c"}, {"content": "d", "model": "m"}],
        ),
        good_row(id="c", prompt=[{"role": "system", "content": "s"}, {"role": "user", "content": "😀"}]),
    ]
    assert read(pa.Table.from_pylist(rows)) == [
        only_item(*[b""] * number, row) for number, row in enumerate(rows)
    ]


def test_flat_columns_of_text_do_too() -> None:
    columns = flat(
        rows=2,
        id=[7, 8],
        model_1=["m", None],
        gold_preference=[-2.0, None],
        **{"metadata.score": [0.5, None], "metadata.tags": [["x"], []]},
    )
    first, second = read(columns)
    assert isinstance(first, ItemRow) and isinstance(second, ItemRow)
    assert (first.external_id, first.prompt, texts(first)) == (
        "7",
        [{"role": "user", "content": "Hi"}],
        ["a", "b"],
    )
    assert first.gold is not None and first.gold.preference == -2 and second.gold is None
    assert (first.metadata, second.metadata) == ({"score": 0.5, "tags": ["x"]}, {"tags": []})
    assert (first.completions[0].model, second.completions[0].model) == ("m", "")


def test_fields_and_flat_columns_may_stand_side_by_side() -> None:
    columns = flat(
        prompt=[[{"role": "user", "content": "Hi"}]], completion_2=[[{"role": "assistant", "content": "b"}]]
    )
    (item,) = read(columns)
    assert isinstance(item, ItemRow) and texts(item) == ["a", "b"]
    (item,) = read({"prompt": ["Hi"]}, DEMONSTRATION)
    assert isinstance(item, ItemRow)


@pytest.mark.parametrize("options", [{"compression": "zstd"}, {"row_group_size": 7}, {"data_page_size": 64}])
def test_rows_keep_their_order_over_batches_and_groups(options: dict[str, Any]) -> None:
    table = pa.table(flat(rows=100, id=[f"r{number}" for number in range(100)], model_1=one_text("m", 100)))
    results = read(file_of(table, **options))
    assert [result.external_id for result in results if isinstance(result, ItemRow)] == list(
        table["id"].to_pylist()
    )
    assert [result.line for result in results] == list(range(1, 101))


# What is refused


@pytest.mark.parametrize(
    ("columns", "field", "code"),
    [
        (flat(promt=["x"]), "promt", "unknown_column"),
        (flat(completions=[[{"content": "x"}]]), "completion_1", "duplicate_column"),
        ({"prompt": ["x"], "completion_1": ["y"]}, "completion_2", "column_missing"),
        (flat(**{"metadata.day": pa.array([0], pa.timestamp("s"))}), "metadata.day", "column_type"),
        (flat(metadata=pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64()))), "metadata", "column_type"),
        (flat(prompt=[b"x"]), "prompt", "column_type"),
        (flat(metadata=pa.array([{"a": {"b": b"x"}}])), "metadata.a.b", "column_type"),
    ],
)
def test_a_wrong_column_refuses_the_file(columns: dict[str, Any], field: str, code: str) -> None:
    first, *_ = read(columns)
    assert isinstance(first, RowError)
    assert (first.line, first.field, first.code) == (1, field, code) and code in FILE_CODES


@pytest.mark.parametrize(
    ("columns", "field", "code"),
    [
        (flat(2, prompt=["Hi", ""]), "prompt", "prompt_missing"),
        (flat(2, completion_2=["b", None]), "completion_2", "content_missing"),
        (flat(2, completion_2=["b", "\0"]), "completion_2", "nul"),
        (flat(2, gold_preference=[1, 9]), "gold_preference", "out_of_range"),
        (flat(2, prompt=[[{"role": "user", "content": "x"}], []]), "prompt", "not_messages"),
        (
            flat(2, prompt=[[{"role": role, "content": "x"}] for role in ("user", "human")]),
            "prompt[0].role",
            "unknown_role",
        ),
        (
            flat(2, **{"metadata.n": [1.0, float("nan")]}),
            "metadata.n",
            "not_finite",
        ),
        (flat(2, **{"metadata.n": pa.array([1, 2**63], pa.uint64())}), "metadata.n", "number_too_large"),
    ],
)
def test_a_bad_row_is_named_by_number_and_column(columns: dict[str, Any], field: str, code: str) -> None:
    good, error = read(columns)
    assert isinstance(good, ItemRow) and isinstance(error, RowError)
    assert (error.line, error.field, error.code) == (2, field, code)


def test_text_that_is_not_utf8_is_named_by_number_and_column() -> None:
    texts = pa.array([b"a"] * 40 + [b"Stra\xdfe"], pa.binary()).cast(pa.string(), safe=False)
    results = read(pa.table(flat(41, completion_2=pa.array(["b"] * 41), completion_1=texts)))
    error = results[-1]
    assert isinstance(error, RowError)
    assert (error.line, error.field, error.code) == (41, "completion_1", "file_not_utf8")


@pytest.mark.parametrize(
    "content", [b"", b"PAR1", b"id,prompt\n1,2\n", b"PAR1" + b"\0" * 40 + b"PAR1", b"\x1f\x8b"]
)
def test_what_is_no_parquet_file_is_refused(content: bytes) -> None:
    assert error_of(content).code == "not_parquet"


def test_a_cut_or_damaged_file_is_refused() -> None:
    whole = file_of(pa.table(flat(500, id=[f"r{number}" for number in range(500)])), compression="zstd")
    assert len(read(whole)) == 500
    assert error_of(whole[:-1]).code == "not_parquet"
    damaged = bytearray(file_of(pa.table(flat(500)), row_group_size=100))
    third = pq.read_metadata(io.BytesIO(damaged)).row_group(2).column(0).dictionary_page_offset
    damaged[third : third + 40] = b"\xff" * 40
    *items, error = read(bytes(damaged))
    assert isinstance(error, RowError) and error.code == "not_parquet"
    assert 100 <= len(items) < 500 and error.line == len(items) + 1


def test_an_encrypted_file_is_refused() -> None:
    encryption = pytest.importorskip("pyarrow.parquet.encryption")

    class Keys(encryption.KmsClient):  # type: ignore[misc, name-defined]
        def wrap_key(self, key: bytes, name: str) -> bytes:
            return key

        def unwrap_key(self, key: bytes, name: str) -> bytes:
            return key

    for is_footer_plain in (False, True):
        settings = encryption.EncryptionConfiguration(
            footer_key="k", column_keys={"k": ["prompt"]}, plaintext_footer=is_footer_plain
        )
        factory = encryption.CryptoFactory(lambda _: Keys())
        properties = factory.file_encryption_properties(encryption.KmsConnectionConfig(), settings)
        error = error_of(file_of(pa.table(flat()), encryption_properties=properties))
        assert error.code == "parquet_encrypted" and error.code in FILE_CODES


# Files made to hurt


def varint(number: int) -> bytes:
    """A whole number as the footer writes it: zigzag, seven bits a byte."""
    number, written = 2 * number, b""
    while number > 127:
        number, written = number >> 7, written + bytes([number & 127 | 128])
    return written + bytes([number])


def test_a_small_file_that_says_two_thousand_million_rows_is_refused() -> None:
    whole = file_of(pa.table(flat(rows=12_345)))
    body = whole[: -8 - int.from_bytes(whole[-8:-4], "little")]
    footer = whole[len(body) : -8].replace(varint(12_345), varint(2**31))
    bomb = body + footer + len(footer).to_bytes(4, "little") + b"PAR1"
    assert len(bomb) < 2_500
    assert error_of(bomb).code == "too_many_rows"
    *items, error = read(bomb, Limits(rows=2**40))
    assert isinstance(error, RowError) and error.code == "not_parquet" and "12345 of" in error.value
    assert len(items) == 12_345


def test_one_text_in_every_row_is_stopped_by_what_it_unpacks_to() -> None:
    text = one_text("x" * 150_000, 100_000)
    content = file_of(pa.table(flat(100_000, prompt=text)))
    assert len(content) < 20_000
    tracemalloc.start()
    try:
        *items, error = read(content, Limits(file_bytes=3_000_000))
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()
    assert isinstance(error, RowError) and (error.line, error.code) == (20, "file_too_large")
    assert len(items) == 19


@pytest.mark.parametrize("is_dictionary_kept", [True, False])
def test_one_row_that_unpacks_to_gigabytes_is_stopped_by_the_bound_of_memory(
    is_dictionary_kept: bool,
) -> None:
    number = 1_000_000
    message = pa.StructArray.from_arrays(
        [one_text("user", number), one_text("y" * 1_000, number)], ["role", "content"]
    )
    table = pa.table(flat(prompt=pa.ListArray.from_arrays([0, number], message)))
    content = file_of(table, store_schema=is_dictionary_kept)
    assert len(content) < 8_000
    error = error_of(content)
    assert error.code == "not_unpacked" and error.code in FILE_CODES
    if sys.platform == "linux":
        assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 < MEMORY_BYTES


def test_what_unpacks_has_nothing_of_ours(tmp_path: Path) -> None:
    """No environment, no packages of ours: a program that takes a file and says lines."""
    (tmp_path / "file").write_bytes(file_of(pa.table(flat())))
    with (tmp_path / "file").open("rb") as stream:
        done = subprocess.run(
            [sys.executable, "-I", "-X", "importtime", str(PROGRAM), str(MEMORY_BYTES)],
            stdin=stream, capture_output=True, check=True, env={}, cwd=os.sep,
        )  # fmt: skip
    assert [line[:1] for line in done.stdout.splitlines()] == [b"C", b"R"]
    assert b"annotation" not in done.stderr and b"django" not in done.stderr
