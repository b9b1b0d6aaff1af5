"""The command `concord`: everything the ML engineer does, over the API alone."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any
from urllib.parse import quote, urlsplit

import typer
from rich.markdown import Markdown
from typer.core import TyperGroup

from exporters.checksums import checksums, sha256_of
from exporters.cli.account import Account, load_account, save_account
from exporters.cli.client import Client
from exporters.cli.download import SUMS, fetch_file, plain_name, prepare_folder, remote_files
from exporters.cli.errors import CommandError
from exporters.cli.hub import REPOSITORY, hub_token, need_library, send_folder, verify
from exporters.cli.screen import (
    bytes_bar,
    out,
    say,
    share_bar,
    show_error,
    show_reward_run,
    show_status,
    upload_reader,
    warn,
)

LOOPBACK = ("127.0.0.1", "localhost", "::1")
PROJECT_SPEC = re.compile(r"([a-z0-9][a-z0-9-]{0,59})(?:@([0-9A-Za-z][0-9A-Za-z._-]{0,31}))?")


class Commands(TyperGroup):
    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Say what went wrong in one line, never with a traceback."""
        try:
            return super().main(*args, **kwargs)
        except CommandError as error:
            show_error(error)
            sys.exit(1)


app = typer.Typer(
    cls=Commands,
    name="concord",
    help="Push items to a Concord server, follow the work, and pull releases that train as they are.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

ProjectSpec = Annotated[
    str,
    typer.Argument(
        metavar="PROJECT[@VERSION]", help="The project's short name; without @VERSION the latest."
    ),
]


def project_and_version(spec: str) -> tuple[str, str]:
    """ "demo@1.2.0" → ("demo", "1.2.0"); without a version the second is empty."""
    match = PROJECT_SPEC.fullmatch(spec)
    if match is None:
        raise CommandError(f"{spec!r} is not PROJECT or PROJECT@VERSION.")
    return match[1], match[2] or ""


@app.command()
def login(
    url: Annotated[str, typer.Argument(help="Address of the server, e.g. http://127.0.0.1:8000")],
) -> None:
    """Keep a server and a token for the other commands.

    The token is read from CONCORD_TOKEN, else asked for.
    """
    address = urlsplit(url if "://" in url else f"http://{url}")
    if address.scheme not in ("http", "https") or not address.hostname:
        raise CommandError(f"{url!r} is not an address such as http://127.0.0.1:8000.")
    if address.scheme == "http" and address.hostname not in LOOPBACK:
        warn(
            "This address is not encrypted: whoever is on the way can read your token. Use https if you can."
        )
    token = os.environ.get("CONCORD_TOKEN") or typer.prompt("Token", hide_input=True)
    account = Account(f"{address.scheme}://{address.netloc}{address.path.rstrip('/')}", token.strip())
    if not account.token.isascii() or not account.token.isprintable():
        raise CommandError("This is not a token; it starts with ccd_.")
    with Client(account) as client:
        projects = client.get("projects")["results"]
    path = save_account(account)
    names = ", ".join(project["slug"] for project in projects) or "none yet"
    say(f"Signed in to {account.url}. Your projects: {names}. The token is kept in {path}.")


@app.command()
def push(
    file: Annotated[Path, typer.Argument(help="The batch file.", exists=True, dir_okay=False, readable=True)],
    project: Annotated[str, typer.Option(help="Short name of the project.")],
    file_format: Annotated[
        str, typer.Option("--format", help="jsonl, csv, parquet, hh, trl, chat or judgments.")
    ] = "jsonl",
    name: Annotated[str, typer.Option(help="Name of the batch; the file's name by default.")] = "",
    overlap: Annotated[
        int | None, typer.Option(help="Judgments for each item; the protocol's by default.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check the file and store nothing.")] = False,
) -> None:
    """Import a batch file and wait until it is checked and stored."""
    slug, _ = project_and_version(project)
    fields = {"format": file_format, "name": name or file.stem}
    fields |= {"overlap": str(overlap)} if overlap is not None else {}
    fields |= {"dry_run": "true"} if dry_run else {}
    with Client(load_account()) as client:
        with upload_reader(file) as reader:
            # Tried once: a file that was taken although its answer was lost is recognised by its hash.
            started = client.upload(f"projects/{slug}/batches", fields, file.name, reader)
        with share_bar("Checking and storing") as progress:
            result = client.wait_for(str(started["job"]), progress)
    items = result.get("items")
    found = f"{items:,} items" if isinstance(items, int) else "The file"
    if dry_run and result.get("errors"):
        raise CommandError(f"{file.name} cannot be imported as it is; nothing was stored.", result["errors"])
    if dry_run:
        say(f"{found} in {file.name} can be imported; nothing was stored.")
    else:
        say(f"{found} from {file.name} are now batch {started['batch']} of {slug}.")


@app.command()
def status(project: Annotated[str, typer.Argument(help="Short name of the project.")]) -> None:
    """Show how far a project is and which releases it has."""
    slug, _ = project_and_version(project)
    with Client(load_account()) as client:
        facts = client.get(f"projects/{slug}")
        try:
            releases = client.get(f"projects/{slug}/releases")["results"]
        except CommandError as error:
            if error.status != 403:
                raise
            releases = []
    show_status(facts, releases)


@app.command()
def pull(
    project: ProjectSpec,
    export_format: Annotated[str, typer.Option("--format", help="Format of the rows.")] = "preference",
    to: Annotated[Path | None, typer.Option(help="Folder for the files; PROJECT-VERSION by default.")] = None,
    cut: Annotated[
        bool, typer.Option("--cut", help="Cut a new release first (called VERSION if given).")
    ] = False,
    kind: Annotated[str, typer.Option("--type", help="parquet, jsonl or both.")] = "both",
    labels: Annotated[
        str,
        typer.Option(
            help="With --cut: majority, every, mean_strength, dawid_skene, adjudicated or reference."
        ),
    ] = "",
    ties: Annotated[str, typer.Option(help="With --cut: drop, soft or both.")] = "",
    min_judgments: Annotated[
        int | None, typer.Option(help="With --cut: fewest judgments for a pair.")
    ] = None,
    settings_file: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            help="With --cut: a JSON file with any settings of a release; the other options come on top.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    chat_template: Annotated[
        Path | None,
        typer.Option(
            help="With --cut: a tokenizer_config.json or a .jinja; the release warns of rows it cannot render whole.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Download a release and check every byte. Run it again to go on after a break."""
    slug, version = project_and_version(project)
    kinds = {"both": ("parquet", "jsonl"), "parquet": ("parquet",), "jsonl": ("jsonl",)}.get(kind)
    if kinds is None:
        raise CommandError("--type is parquet, jsonl or both.")
    if not cut and (labels or ties or min_judgments is not None or settings_file or chat_template):
        raise CommandError(
            "--labels, --ties, --min-judgments, --settings and --chat-template belong to --cut."
        )
    with Client(load_account()) as client:
        if cut:
            settings = settings_in(settings_file) | {"formats": [export_format]}
            settings |= {"labels": labels} if labels else {}
            settings |= {"ties": ties} if ties else {}
            if min_judgments is not None:
                settings["filters"] = settings.get("filters", {}) | {"min_judgments": min_judgments}
            settings |= {"chat_template": template_in(chat_template)} if chat_template else {}
            version = cut_release(client, slug, version, settings)
        manifest = release_manifest(client, slug, version)
        version = manifest["release"]
        folder = to or Path(f"{slug}-{version}")
        download(client, slug, manifest, export_format, kinds, folder)
    rows = ", ".join(f"{side} {split['rows']:,}" for side, split in manifest["splits"].items())
    say(f"{slug} {version} is in {folder} ({rows} rows), every checksum is right.")
    say(f'  from datasets import load_dataset; data = load_dataset("{folder}")')


def settings_in(path: Path | None) -> dict[str, Any]:
    """Settings of a release as the API takes them; what they mean is checked by the server."""
    if path is None:
        return {}
    try:
        found = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise CommandError(f"{path} is no JSON: {error}.") from error
    if not isinstance(found, dict) or not isinstance(found.get("filters", {}), dict):
        raise CommandError(f"{path} must hold an object of settings.")
    return found


@app.command("push-hub")
def push_hub(
    project: ProjectSpec,
    repo: Annotated[
        str, typer.Option(help="Dataset repository, ORGANISATION/NAME; made if it is not there.")
    ],
    export_format: Annotated[str, typer.Option("--format", help="Format of the rows.")] = "preference",
    endpoint: Annotated[str, typer.Option(help="Address of another hub than huggingface.co.")] = "",
    public: Annotated[
        bool, typer.Option("--public", help="A new repository is for everybody to read.")
    ] = False,
) -> None:
    """Send a release to a repository of Hugging Face, every byte checked before.

    The token is read from HF_TOKEN, else asked for; it is kept nowhere. A new repository is private.
    """
    slug, version = project_and_version(project)
    if not REPOSITORY.fullmatch(repo):
        raise CommandError(f"{repo!r} is not ORGANISATION/NAME.")
    need_library()
    token = hub_token()
    with Client(load_account()) as client, TemporaryDirectory(prefix="concord-hub-") as name:
        folder = Path(name)
        manifest = release_manifest(client, slug, version)
        download(client, slug, manifest, export_format, ("parquet", "jsonl"), folder)
        count = verify(folder)
        message = f"{slug} {manifest['release']}, {export_format}"
        address = send_folder(
            folder, repo, token=token, endpoint=endpoint.rstrip("/"), public=public, message=message
        )
    say(f"{slug} {manifest['release']} is at {address} ({count + 1} files, every checksum is right).")


def template_in(path: Path) -> str:
    from exporters.chat_template import read_template

    try:
        return read_template(path)
    except ValueError as error:
        raise CommandError(str(error)) from error
    except OSError as error:
        raise CommandError(f"Cannot read {path}: {error.strerror}.") from error


def cut_release(client: Client, slug: str, version: str, settings: dict[str, Any]) -> str:
    """Cut a release and wait for it; returns its version."""
    body = settings | ({"version": version} if version else {})
    started = client.post(f"projects/{slug}/releases", body)
    with share_bar(f"Cutting {slug} {started['release']}") as progress:
        client.wait_for(str(started["job"]), progress)
    return plain_name(str(started["release"]), "release")


def release_manifest(client: Client, slug: str, version: str) -> dict[str, Any]:
    """The manifest of a frozen release; waits for one that is being cut. Its version is a plain name."""
    address = f"projects/{slug}/releases/{quote(version or 'latest', safe='')}"
    try:
        manifest = client.get(address)
    except CommandError as error:
        if error.status != 404:
            raise
        client.get(f"projects/{slug}")  # says so when there is no such project
        what = f"no release {version}" if version else "no release yet; add --cut to make one"
        raise CommandError(f"{slug} has {what}.", status=404) from error
    if manifest["state"] == "building":
        with share_bar(f"Waiting for {slug} {manifest['release']}") as progress:
            client.wait_for(str(manifest["job"]), progress)
        manifest = client.get(address)
    plain_name(str(manifest["release"]), "release")
    if manifest["state"] != "frozen":
        raise CommandError(
            f"Release {manifest['release']} failed: {manifest.get('error') or 'no reason is known'}"
        )
    return manifest


def download(
    client: Client,
    slug: str,
    manifest: dict[str, Any],
    export_format: str,
    kinds: tuple[str, ...],
    folder: Path,
) -> None:
    files = remote_files(manifest, export_format, kinds)
    prepare_folder(folder, files)
    base = f"projects/{slug}/releases/{quote(manifest['release'], safe='')}/files"
    with bytes_bar(sum(file.size for file in files)) as advance:
        for file in files:
            done = fetch_file(client, f"{base}/{quote(file.name)}", file, folder, advance)
            if done == "repaired":
                warn(f"{file.path} was damaged here and has been fetched again.")
    if len(kinds) == 1:
        narrow(folder, kinds[0], [file.path for file in files])
    origin = {"server": client.url, "project": slug, "release": manifest["release"]}
    (folder / ".concord.json").write_text(json.dumps(origin, indent=2) + "\n")


def narrow(folder: Path, kind: str, names: list[str]) -> None:
    """Make card, Croissant and checksums of the folder speak of the files that are there, all of one kind."""
    from exporters.card import card_for
    from exporters.croissant import croissant_for

    # Releases from before there was Croissant have none.
    for name, told in (("README.md", card_for), ("croissant.json", croissant_for)):
        if name in names:
            path = folder / name
            path.write_bytes(told(path.read_text("utf-8"), kind).encode())
    sums = [(name, sha256_of(folder / name)) for name in names if name != SUMS]
    (folder / SUMS).write_text(checksums(sums))


@app.command()
def card(project: ProjectSpec) -> None:
    """Print the dataset card of a release."""
    slug, version = project_and_version(project)
    with Client(load_account()) as client:
        text = release_manifest(client, slug, version)["card"]
    if out.is_terminal:
        out.print(Markdown(text.split("\n---\n", 1)[-1]))
    else:
        typer.echo(text, nl=False)


@app.command()
def train(
    project: ProjectSpec,
    model: Annotated[str, typer.Option(help="surface or tfidf_surface.")] = "surface",
    loss: Annotated[str, typer.Option(help="bradley_terry or hinge.")] = "bradley_terry",
    seed: Annotated[int, typer.Option(help="Seed of the run.")] = 0,
) -> None:
    """Train a quick reward model on a release and show its accuracy beside the baselines."""
    slug, version = project_and_version(project)
    with Client(load_account()) as client:
        release = release_manifest(client, slug, version)["release"]
        body = {"release": release, "model": model, "loss": loss, "seed": seed}
        started = client.post(f"projects/{slug}/reward-runs", body)
        with share_bar(f"Training {model} on {slug} {release}") as progress:
            client.wait_for(str(started["job"]), progress)
        run = client.get(f"projects/{slug}/reward-runs/{started['run']}")
    show_reward_run(run)
