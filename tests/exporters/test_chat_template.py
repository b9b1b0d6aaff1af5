"""A tokenizer's chat template over the rows of a release: what it loses is told, what is hostile is stopped."""

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest

from annotation.errors import Refused
from exporters.chat_check import LOST, REFUSED, STRIPPED, kept_in, rendered
from exporters.chat_template import (
    TEMPLATE_MAX,
    ChatTemplate,
    TemplateRefused,
    TemplateStopped,
    read_template,
    refuse_bad_template,
)
from exporters.forms import ReleaseForm
from exporters.settings import release_settings, stored_settings
from tests.exporters.releases import contents, cut, judged_world
from tests.factories import make_world

CHATML = """{% for message in messages %}
{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' }}
{% endfor %}
{% if add_generation_prompt %}
{{ '<|im_start|>assistant' }}
{% endif %}
"""
TAKES_TURNS = """{{ bos_token }}{% for message in messages %}
{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}
{{ raise_exception('Conversation roles must alternate user/assistant/user/assistant/...') }}
{%- endif -%}
[{{ message['role'] }}]{{ message['content'] | trim }}{% endfor %}"""
WITHOUT_SYSTEM = "{% for m in messages %}{% if m.role != 'system' %}{{ m.content }}\n{% endif %}{% endfor %}"
SHOUTS = "{% for m in messages %}{{ m.content | upper }}{% endfor %}"
BACKWARDS = "{% for m in messages | reverse %}{{ m.content }}{% endfor %}"
LOOPS = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"
S, U, A = (
    {"role": role, "content": words}
    for role, words in (("system", "Be kind."), ("user", "Why is it so?"), ("assistant", "Because it is. "))
)


def rendering(template: str, conversation: list[Any], *, is_prompt: bool = False) -> str:
    with ChatTemplate(template) as renderer:
        return renderer.render(conversation, is_prompt=is_prompt)


def heard(template: str, records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """What `rendered` warns of, in its order."""
    found: list[tuple[str, str]] = []
    with ChatTemplate(template) as renderer:
        rows = [("train", record) for record in records]
        assert list(rendered(rows, renderer, lambda what, row: found.append((what, row)))) == rows
    return found


def test_it_renders_as_transformers_does() -> None:
    """Blocks take no line of their own, and the tags that transformers adds to Jinja are known."""
    expected = "<|im_start|>user\nWhy is it so?<|im_end|>\n<|im_start|>assistant\nBecause it is. <|im_end|>\n"
    assert rendering(CHATML, [U, A]) == expected
    prompt = "<|im_start|>user\nWhy is it so?<|im_end|>\n<|im_start|>assistant\n"
    assert rendering(CHATML, [U], is_prompt=True) == prompt
    spoken = (
        "{% for m in messages %}{% generation %}{{ m.content }}{% endgeneration %}{% break %}{% endfor %}"
    )
    assert rendering(spoken, [U, A]) == "Why is it so?"
    assert rendering("{{ {'a': '<é>'} | tojson }}", [U]) == '{"a": "<é>"}'


def test_there_is_no_clock_and_no_chance() -> None:
    assert rendering("{{ strftime_now('%d %b %Y') }}", [U]) == "26 Jul 2024"
    with pytest.raises(TemplateRefused, match="No filter named 'random'"):
        rendering("{{ [1, 2] | random }}", [U])


@pytest.mark.parametrize(
    ("template", "conversation", "expected"),
    [
        (CHATML, [S, U, A], []),
        (WITHOUT_SYSTEM, [S, U, A], [(LOST, "1-1")]),
        (SHOUTS, [U, A], [(LOST, "1-1")]),
        (BACKWARDS, [U, A], [(LOST, "1-1")]),
        (TAKES_TURNS, [U, A], [(STRIPPED, "1-1")]),
        (
            TAKES_TURNS,
            [U, U],
            [(REFUSED, "1-1: Conversation roles must alternate user/assistant/user/assistant/...")],
        ),
        (
            "{{ messages[0].nothing.at_all }}",
            [U, A],
            [(REFUSED, "1-1: 'dict object' has no attribute 'nothing'")],
        ),
    ],
)
def test_what_a_template_loses_is_told(
    template: str, conversation: list[Any], expected: list[tuple[str, str]]
) -> None:
    assert heard(template, [{"id": "1-1", "messages": conversation}]) == expected


def test_each_record_counts_once_and_all_its_conversations_are_rendered() -> None:
    pair = {"id": "1-1", "prompt": [S, U], "chosen": [A], "rejected": [A]}
    assert heard(WITHOUT_SYSTEM, [pair, pair]) == [(LOST, "1-1")] * 2
    only_rejected = {
        "id": "2",
        "prompt": [U],
        "chosen": [A],
        "rejected": [{"role": "assistant", "content": "x"}],
    }
    upto = "{% for m in messages if m.content != 'x' %}{{ m.content }}{% endfor %}"
    assert heard(upto, [only_rejected]) == [(LOST, "2")]
    assert heard(SHOUTS, [{"prompt": [U]}]) == [(LOST, "number 1, train")]


def test_contents_are_looked_for_in_order_and_whole() -> None:
    same = [{"role": "user", "content": "Yes"}, {"role": "assistant", "content": "Yes"}]
    assert kept_in(same, "Yes") == (["Yes"], False)
    assert kept_in(same, "Yes Yes") == ([], False)
    # The word stands at the end of another message as well: the first place counts, not the last.
    padded = [{"role": "user", "content": "go "}, {"role": "assistant", "content": "we go "}]
    assert kept_in(padded, "go|we go ") == ([], True)
    assert kept_in(padded, "go |we go ") == ([], False)


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        (LOOPS, "computes for longer than 2 seconds"),
        ("{{ 'a' * 2000000000 }}{{ messages }}", "more than 512 MiB"),
        ("{% set n = messages | length * 2000000000 %}{{ 'a' * n }}", "more than 512 MiB"),
        ("{% for a in range(99999) %}{{ messages }}{% endfor %}", "writes more than 1,000,000 characters"),
    ],
)
def test_a_hostile_template_is_stopped(template: str, sentence: str) -> None:
    started = time.monotonic()
    with pytest.raises(TemplateStopped, match=sentence):
        rendering(template, [U, A])
    assert time.monotonic() - started < 60


@pytest.mark.parametrize(
    "template",
    [
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ raise_exception.__globals__['json'] }}",
        "{{ messages.append({}) }}",
        "{% include '/etc/passwd' %}",
        "{% for a in range(999999999) %}{% endfor %}",
    ],
)
def test_a_template_reaches_nothing_outside(template: str) -> None:
    with pytest.raises(TemplateRefused):
        rendering(template, [U, A])


def test_the_process_has_no_environment_and_ends_with_its_user() -> None:
    with ChatTemplate(CHATML) as renderer:
        environment = Path(f"/proc/{renderer.process.pid}/environ").read_bytes()
        assert environment.rstrip(b"\0") == b"PYTHONHASHSEED=0"
    assert renderer.process.poll() is not None


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{% for %}", "This is no Jinja template, line 1: "),
        ("\n{% endfor %}", "This is no Jinja template, line 2: "),
        ("x" * (TEMPLATE_MAX + 1), "A chat template has at most 65,536 characters; this one has 65,537."),
        ("a\0", "A chat template is text; this one holds a NUL or half a character."),
        ("é\ud800", "A chat template is text; this one holds a NUL or half a character."),
        ("{{" + "(" * 30_000, "This chat template is nested too deeply."),
        (3, "A chat template is a text."),
    ],
)
def test_what_is_no_template_is_refused_with_the_request(text: Any, sentence: str) -> None:
    with pytest.raises(Refused) as refusal:
        release_settings({"chat_template": text})
    assert refusal.value.errors[0].field == "chat_template"
    assert refusal.value.errors[0].detail.startswith(sentence)


def test_reading_a_request_runs_nothing_of_a_template() -> None:
    refuse_bad_template("{{ 'a' * 20000000000 }}")
    refuse_bad_template(LOOPS)


def test_releases_from_before_have_no_template() -> None:
    stored = release_settings({}).as_json()
    assert stored.pop("chat_template") == ""
    assert stored_settings(stored).chat_template == ""


def test_templates_are_read_from_the_files_of_a_tokenizer(tmp_path: Path) -> None:
    plain, config = tmp_path / "chat_template.jinja", tmp_path / "tokenizer_config.json"
    plain.write_text(CHATML)
    assert read_template(plain) == CHATML
    config.write_text(json.dumps({"chat_template": CHATML}))
    assert read_template(config) == CHATML
    named = [{"name": "tool_use", "template": "x"}, {"name": "default", "template": CHATML}]
    config.write_text(json.dumps({"chat_template": named}))
    assert read_template(config) == CHATML
    for body in (
        "{",
        "[]",
        "{}",
        '{"chat_template": 3}',
        '{"chat_template": [{"name": "rag", "template": "x"}]}',
    ):
        config.write_text(body)
        with pytest.raises(ValueError, match=r"tokenizer_config\.json"):
            read_template(config)


@pytest.mark.django_db(transaction=True)
def test_a_release_tells_what_its_template_loses() -> None:
    world = judged_world([[-2, 2, 1]])
    kept, _ = cut(world, {"chat_template": CHATML, "split": {"train": 1}})
    assert kept.manifest["warnings"] == []
    assert kept.manifest["settings"]["chat_template"] == CHATML
    release, _ = cut(world, {"chat_template": SHOUTS, "split": {"train": 1}})
    lines = gzip.decompress(contents(release)["train-00000-of-00001.jsonl.gz"]).splitlines()
    first = json.loads(lines[0])["id"]
    assert release.manifest["warnings"] == [f"preference: 3 records {LOST} (the first: {first})"]
    assert f"- 3 records {LOST} (the first: {first}).\n" in contents(release)["README.md"].decode()
    # The rows are those of a release without one.
    plain, _ = cut(world, {"split": {"train": 1}})
    for name in ("train-00000-of-00001.jsonl.gz", "train-00000-of-00001.parquet"):
        assert contents(release)[name] == contents(plain)[name]


@pytest.mark.django_db(transaction=True)
def test_a_cut_fails_on_a_template_that_never_ends() -> None:
    world = judged_world([[-2]])
    release, job = cut(world, {"chat_template": LOOPS})
    assert release.state == "failed" and job.error is not None
    assert job.error["detail"].startswith("The chat template cannot be used: at record 1-1-")
    assert "computes for longer than 2 seconds" in job.error["detail"]


@pytest.mark.django_db
def test_the_lines_of_a_form_are_those_of_the_template() -> None:
    data = ReleaseForm.START | {"chat_template": "\r\n{{ messages }}\r\n"}
    form = ReleaseForm(data, project=make_world().project)
    assert form.is_valid(), form.errors
    assert form.settings().chat_template == "\n{{ messages }}\n"
