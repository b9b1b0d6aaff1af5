"""The whole loop as three people in a real browser, against the instance that `make run` starts.

The lead imports a file, an annotator judges ten items with the keyboard and ten as plain forms with
scripts off, and an engineer pulls a release with the `concord` command.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.instance import Instance, free_port

pytestmark = pytest.mark.browser

PAIRS = 20


@pytest.fixture(scope="module")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Instance]:
    instance = Instance(var=tmp_path_factory.mktemp("loop") / "var", port=free_port())
    instance.start(demo=True)
    yield instance
    instance.stop()


@pytest.fixture(scope="module")
def logins(instance: Instance) -> dict[str, dict[str, str]]:
    path = instance.var / "logins.json"
    assert path.stat().st_mode & 0o777 == 0o600
    logins: dict[str, dict[str, str]] = json.loads(path.read_text())
    assert set(logins) >= {"lead", "reviewer", "annotator", "engineer"}
    return logins


def sign_in(page: Page, instance: Instance, login: dict[str, str]) -> None:
    page.goto(f"{instance.url}/login")
    page.get_by_label("Email").fill(login["email"])
    page.get_by_label("Password", exact=True).fill(login["password"])
    page.get_by_role("button", name="Sign in").click()
    expect(page).not_to_have_url(f"{instance.url}/login")


def batch_file(folder: Path) -> Path:
    rows = (
        {
            "id": f"row-{n}",
            "prompt": f"What is {n} plus {n}?",
            "completions": [{"content": f"It is {2 * n}."}, {"content": f"It is {2 * n + 1}, I think."}],
        }
        for n in range(1, PAIRS + 1)
    )
    path = folder / "sums.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def counts(instance: Instance, token: str, number: int) -> dict[str, Any]:
    import httpx

    answer = httpx.get(
        f"{instance.url}/api/v1/projects/demo/batches/{number}",
        headers={"Authorization": f"Bearer {token}"},
        timeout=30,
    )
    body: dict[str, Any] = answer.json()
    return body
