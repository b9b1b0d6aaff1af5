"""Fills a running instance with the demo: people, three projects, judgments, a release, a reward model.

Accounts and projects are made through the services; files, judgments, the release and the reward run go over
the HTTP interface like anybody's. Every step looks first whether it has been done, so a start that was
interrupted is taken up by the next one.
"""

import time
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from annotation.demo.content import DATA, PROJECTS, DemoBatch, DemoProject, consent, demo_truth, guide
from annotation.models import Batch, Membership, Project, User
from annotation.runtime.errors import RuntimeFault
from annotation.runtime.instance import LOGINS_FILE, read_json, write_json
from annotation.services.people import add_member, create_token, create_user, give_consent, reset_password
from annotation.services.projects import create_project
from annotation.simulation import InstanceClient, SimulatedAnnotator, SimulationError, run_simulation
from annotation.simulation.accounts import simulated_tokens

DOMAIN = "demo.concord.invalid"
ROLES = ("lead", "reviewer", "annotator", "engineer")
JOB_SECONDS = 120
POLL_SECONDS = 0.1

SIMULATED = (
    SimulatedAnnotator(skill=0.95, seed=11),
    SimulatedAnnotator(skill=0.85, seed=12, position_bias=0.05),
    SimulatedAnnotator(skill=0.75, seed=13, length_bias=0.15),
    SimulatedAnnotator(skill=0.9, seed=14),
    SimulatedAnnotator(skill=0.6, seed=15, position_bias=0.15),
    SimulatedAnnotator(skill=0.4, seed=16),
)


class DemoError(RuntimeFault):
    """The demo could not be loaded; the text says at which step and why."""


def ensure_demo(base_url: str, var: Path, now: datetime) -> dict[str, dict[str, str]] | None:
    """Load the demo into the instance at `base_url` unless it is there.

    Returns the logins {role: {email, password, token}}, which are kept in `var`/logins.json (mode 600), or
    None when the demo was there already. Raises DemoError when the instance refuses a step.
    """
    marker = var / LOGINS_FILE
    if read_json(marker) and Project.objects.filter(slug=PROJECTS[0].slug).exists():
        return None
    logins = {role: _login(role, now) for role in ROLES}
    try:
        with InstanceClient(base_url) as client:
            for project in PROJECTS:
                _load_project(client, base_url, project, logins, now)
            _train_on_release(client, PROJECTS[0].slug, logins["engineer"]["token"])
    except SimulationError as error:
        raise DemoError(f"the demo could not be loaded: {error}") from error
    write_json(marker, logins)
    return logins


def _login(role: str, now: datetime) -> dict[str, str]:
    """An account with a fresh password and token; after an interrupted start the account is there already."""
    email = f"{role}@{DOMAIN}"
    user = User.objects.filter(email=email).first()
    if user is None:
        user, password = create_user(
            email=email, now=now, name=f"Demo {role}", can_create_projects=role == "lead"
        )
    else:
        password = reset_password(user=user, now=now)
    token = create_token(user=user, now=now, name="demo")
    return {"email": email, "password": password, "token": token}


def _load_project(
    client: InstanceClient,
    base_url: str,
    demo: DemoProject,
    logins: dict[str, dict[str, str]],
    now: datetime,
) -> None:
    lead = User.objects.get(email=logins["lead"]["email"])
    project = Project.objects.filter(slug=demo.slug).first()
    if project is None:
        project = create_project(
            actor=lead,
            now=now,
            slug=demo.slug,
            name=demo.name,
            description=demo.description,
            protocol=demo.protocol,
            guideline=guide(demo),
            consent=consent(),
        )
    for role in ROLES:
        email = logins[role]["email"]
        if not project.memberships.filter(user__email=email, role=role).exists():
            add_member(project=project, actor=lead, email=email, role=role, now=now)
    # Scripts that only have the token cannot agree on the guide page, and this account is nobody's.
    annotator = project.memberships.get(
        user__email=logins["annotator"]["email"], role=Membership.Role.ANNOTATOR
    )
    give_consent(annotator=annotator, now=now)
    for batch in demo.batches:
        number = _import_batch(client, project, batch, logins["lead"]["token"])
        if batch.is_simulated:
            _simulate(base_url, demo, project, number, now)


def _import_batch(client: InstanceClient, project: Project, demo: DemoBatch, token: str) -> int:
    """Import one file as the lead, unless an earlier start did, and wait for it; the number of the batch."""
    batches = Batch.objects.filter(project=project, source_name=demo.file).exclude(state=Batch.State.FAILED)
    if not batches.exists():
        answer = client.call(
            "POST",
            f"/projects/{project.slug}/batches",
            token,
            files={"file": (demo.file, (DATA / demo.file).read_bytes())},
            data={"format": "jsonl", "name": demo.name, "overlap": str(demo.overlap)},
        )
        _wait(client, answer.json()["job"], token, f"import of {demo.file}")
    deadline = time.monotonic() + JOB_SECONDS
    while (batch := batches.get()).state == Batch.State.IMPORTING:  # begun by a start that was interrupted
        if time.monotonic() > deadline:
            raise DemoError(f"import of {demo.file} is not done after {JOB_SECONDS} s; is a worker running?")
        time.sleep(POLL_SECONDS)
    return batch.number


def _simulate(base_url: str, demo: DemoProject, project: Project, batch: int, now: datetime) -> None:
    tokens = simulated_tokens(project=project, count=demo.simulated, now=now)
    annotators = dict(zip(tokens.values(), SIMULATED, strict=False))
    report = run_simulation(base_url, demo.slug, annotators, demo_truth(), batch=batch, threads=2)
    if report.without_truth:
        raise DemoError(f"{report.without_truth} items of {demo.slug} have no entry in truth.json")


def _train_on_release(client: InstanceClient, slug: str, token: str) -> None:
    """One release and one reward run as the engineer, unless there is a release already.

    Agreement is not asked for: the periodic check computes it as soon as it sees new judgments.
    """
    try:
        client.call("GET", f"/projects/{slug}/releases/latest", token)
    except SimulationError as error:
        if error.status != httpx.codes.NOT_FOUND:
            raise
    else:
        return
    release = client.call(
        "POST",
        f"/projects/{slug}/releases",
        token,
        json={"formats": ["preference"]},
        headers={"Idempotency-Key": "demo-release"},
    ).json()
    _wait(client, release["job"], token, "release")
    run = client.call(
        "POST",
        f"/projects/{slug}/reward-runs",
        token,
        json={"release": release["release"], "model": "surface", "loss": "bradley_terry", "seed": 0},
        headers={"Idempotency-Key": "demo-reward-run"},
    ).json()
    _wait(client, run["job"], token, "reward run")


def _wait(client: InstanceClient, job: str, token: str, what: str) -> dict[str, Any]:
    """The finished job. Raises DemoError when it failed or takes longer than JOB_SECONDS."""
    deadline = time.monotonic() + JOB_SECONDS
    while time.monotonic() < deadline:
        state: dict[str, Any] = client.call("GET", f"/jobs/{job}", token).json()
        if state["state"] == "succeeded":
            return state
        if state["state"] in ("failed", "cancelled"):
            raise DemoError(f"{what} {state['state']}: {state['error']}")
        time.sleep(POLL_SECONDS)
    raise DemoError(f"{what} is not done after {JOB_SECONDS} s; is a worker running?")
