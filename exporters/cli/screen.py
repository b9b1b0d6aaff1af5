"""What the command prints: results on standard output, progress and warnings on standard error."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table

from exporters.cli.errors import CommandError

ERRORS_SHOWN = 20

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    out.print(text, markup=False)


def warn(text: str) -> None:
    err.print(text, style="yellow", markup=False)


def show_error(error: CommandError) -> None:
    err.print(f"Error: {error.detail}", style="red", markup=False)
    if error.errors:
        err.print(error_table(error.errors))
        left = len(error.errors) - ERRORS_SHOWN
        if left > 0:
            err.print(f"… and {left} more.", markup=False)


def error_table(errors: Sequence[dict[str, Any]]) -> Table:
    """Line, field, value and what to do, as far as the errors have them."""
    has_lines = any(error.get("line") for error in errors)
    has_values = any(error.get("value") for error in errors)
    table = Table(box=None, pad_edge=False, header_style="bold")
    if has_lines:
        table.add_column("Line", justify="right")
    table.add_column("Field", overflow="fold")
    if has_values:
        table.add_column("Value", overflow="fold", max_width=40)
    table.add_column("What is wrong", overflow="fold")
    for error in errors[:ERRORS_SHOWN]:
        cells = [plain(error.get("line") or "")] if has_lines else []
        cells.append(plain(error.get("field") or "–"))
        cells += [plain(error.get("value") or "")] if has_values else []
        cells.append(plain(" ".join(filter(None, [error.get("detail"), error.get("fix")]))))
        table.add_row(*cells)
    return table


def plain(value: Any) -> str:
    """Text that the terminal shows as it is: no markup of ours, no control characters of others."""
    text = "".join(char if char.isprintable() else "�" for char in str(value))
    return text.replace("[", r"\[")


@contextmanager
def share_bar(title: str) -> Iterator[Callable[[float], None]]:
    """A bar for work of unknown length; call it with the share that is done, in [0, 1]."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task(title, total=1.0)
        yield lambda share: progress.update(task, completed=share)


@contextmanager
def bytes_bar(total: int) -> Iterator[Callable[[int], None]]:
    """A bar for a download; call it with each number of bytes that came."""
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=err, transient=True) as progress:
        task = progress.add_task("Downloading", total=total)
        yield lambda count: progress.update(task, advance=count)


@contextmanager
def upload_reader(path: Path) -> Iterator[BinaryIO]:
    """The file, opened for reading, with a bar that follows what was read."""
    columns = (TextColumn("Sending", markup=False), BarColumn(), DownloadColumn(), TransferSpeedColumn())
    with Progress(*columns, console=err, transient=True) as progress, progress.open(path, "rb") as reader:
        yield reader


def show_status(facts: dict[str, Any], releases: Sequence[dict[str, Any]]) -> None:
    progress, protocol = facts["progress"], facts["protocol"]
    slots, submitted = progress["slots"], progress["submitted"]
    share = f" ({submitted / slots:.0%})" if slots else ""
    points = f", {protocol['points']} points" if protocol.get("points") else ""
    say(f"{facts['name']} ({facts['slug']})")
    say(f"  protocol   {protocol['kind']}{points}, version {protocol['version']}")
    say(f"  items      {progress['items']:,}")
    say(f"  judgments  {submitted:,} of {slots:,}{share}")
    if not releases:
        say("  releases   none")
    for release in releases:
        rows = f"{release['rows']:,} rows" if release["state"] == "frozen" else release["state"]
        say(f"  release    {release['release']}  {rows}")


def show_reward_run(run: dict[str, Any]) -> None:
    """The accuracy with its interval, and below it what it has to beat."""
    accuracy, intervals = run["accuracy"], run.get("baseline_intervals") or {}
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("Accuracy on the test prompts", "%", "95 % interval"):
        table.add_column(name, justify="left" if name.startswith("Acc") else "right")
    ends = (accuracy["low"], accuracy["high"])
    table.add_row(plain(run["model"]), percent(accuracy["value"]), interval(ends), style="bold")
    for name, value in run["baselines"].items():
        table.add_row(plain(name.replace("_", " ")), percent(value), interval(intervals.get(name)))
    out.print(table)
    say(
        f"{accuracy['n_pairs']:,} pairs of {accuracy['n_prompts']:,} prompts, "
        f"release {run['release']}, seed {run['seed']}"
    )


def percent(share: float | None) -> str:
    return "–" if share is None else f"{share * 100:.1f}"


def interval(ends: Sequence[float | None] | None) -> str:
    if not ends or None in ends:
        return ""
    return f"[{percent(ends[0])}, {percent(ends[1])}]"
