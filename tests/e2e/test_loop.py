"""The whole loop as three people in a real browser, against the instance that `make run` starts.

The lead imports a file, an annotator judges ten items with the keyboard and ten as plain forms with
scripts off, and an engineer pulls a release with the `concord` command.
"""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pyarrow.parquet as pq
import pytest
from playwright.sync_api import Browser, Page, expect

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
    page.get_by_label("Email", exact=True).fill(login["email"])
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


def judge_with_keys(page: Page, count: int) -> None:
    """Answer whatever is shown: digit 2 to every question, then Enter; no pointer, no Tab."""
    for _ in range(count):
        expect(page.locator('[data-active="true"]')).to_have_count(1)
        heading = page.locator("#item-h").inner_text()
        for _ in range(page.locator("[data-q]").count()):
            page.keyboard.press("2")
        page.wait_for_timeout(350)  # a fresh task takes no Enter for 300 ms
        page.keyboard.press("Enter")
        if page.get_by_role("button", name="Submit without reading").count():
            page.keyboard.press("Enter")
        expect(page.locator("#item-h")).not_to_have_text(heading)


def judge_plain_forms(page: Page, count: int) -> None:
    """The same with scripts off: choose the radio buttons, press the button."""
    for _ in range(count):
        for group in page.locator("fieldset[data-q]:visible").all():
            group.locator("label.seg").nth(1).click()
        page.get_by_role("button", name="Submit").click()
        page.wait_for_load_state()


def test_three_people_go_round_the_loop(
    browser: Browser, instance: Instance, logins: dict[str, dict[str, str]], tmp_path: Path
) -> None:
    wide = {"width": 1440, "height": 900}
    said: list[str] = []

    lead = browser.new_context(viewport=wide).new_page()
    lead.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    sign_in(lead, instance, logins["lead"])
    lead.goto(f"{instance.url}/projects/demo/batches/new")
    lead.get_by_label("File", exact=True).set_input_files(batch_file(tmp_path))
    lead.get_by_label("Name").fill("Sums")
    lead.get_by_role("button", name="Import").click()
    expect(lead.get_by_text(f"{PAIRS} items").first).to_be_visible(timeout=30_000)
    lead.goto(f"{instance.url}/projects/demo")
    expect(lead.get_by_role("link", name="Sums")).to_be_visible()

    before = submitted(instance, logins)
    annotator = browser.new_context(viewport=wide).new_page()
    annotator.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    sign_in(annotator, instance, logins["annotator"])
    annotator.goto(f"{instance.url}/projects/demo/task")
    annotator.get_by_role("button", name="Get an item").click()
    judge_with_keys(annotator, 10)
    assert submitted(instance, logins) == before + 10

    plain = browser.new_context(viewport=wide, java_script_enabled=False).new_page()
    sign_in(plain, instance, logins["annotator"])
    plain.goto(f"{instance.url}/projects/demo/task")
    judge_plain_forms(plain, 10)
    assert submitted(instance, logins) == before + 20
    assert "hold" in instance.manage("check_invariants")

    token, folder = logins["engineer"]["token"], tmp_path / "pulled"
    instance.concord("login", instance.url, CONCORD_TOKEN=token)
    instance.concord(
        "pull", "demo", "--cut", "--format", "preference", "--to", str(folder), CONCORD_TOKEN=token
    )
    tables = [pq.read_table(path) for path in sorted(folder.glob("*.parquet"))]
    rows = [row for table in tables for row in table.to_pylist()]
    assert len(rows) >= before // 3 // 2
    assert all(row["chosen"][-1]["role"] == row["rejected"][-1]["role"] == "assistant" for row in rows)
    assert {"manifest.json", "SHA256SUMS", "README.md"} <= {path.name for path in folder.iterdir()}
    assert said == []


def submitted(instance: Instance, logins: dict[str, dict[str, str]]) -> int:
    """Submitted slots of the demo project, as its lead reads them over the API."""
    answer = httpx.get(
        f"{instance.url}/api/v1/projects/demo",
        headers={"Authorization": f"Bearer {logins['lead']['token']}"},
        timeout=30,
    )
    count: int = answer.json()["progress"]["submitted"]
    return count


def test_a_second_start_is_warm_and_has_everything(
    instance: Instance, logins: dict[str, dict[str, str]]
) -> None:
    before = submitted(instance, logins)
    instance.stop()
    instance.start(demo=True)
    assert submitted(instance, logins) == before
