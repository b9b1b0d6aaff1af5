"""Pages of leads, reviewers and engineers. Thin: access, a selector or a service, a template."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http.response import HttpResponseBase
from django.shortcuts import redirect, render
from django.template.loader import render_to_string
from django.utils import timezone
from django.utils.safestring import SafeString
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation.access import Role, access_batch, access_item, access_job, access_project, roles_in
from annotation.answer_words import Words, answer_words
from annotation.errors import Refused
from annotation.forms_console import ImportForm, MemberForm
from annotation.forms_staffing import OverlapForm, StaffForm
from annotation.kinds import Screen, judgment_kinds
from annotation.models import Batch, Item, Job, Judgment, Project
from annotation.panels import Panel, item_panels, overview_panels, project_navigation
from annotation.selectors import batch_counts
from annotation.selectors_console import (
    BatchRow,
    attention,
    batch_items,
    batch_of_job,
    batch_rows,
    import_job_of,
    is_theirs_to_judge,
    item_exclusions,
    item_judgments,
    item_screen,
    member_rows,
    neighbours,
    project_facts,
    project_progress,
    project_rows,
    staff,
    stuck_items,
)
from annotation.selectors_reports import item_reports
from annotation.selectors_staffing import training_counts
from annotation.services.batches import JOB_KIND, close_batch, start_import
from annotation.services.overlap import overlap_policies, saving_of
from annotation.services.people import add_member
from annotation.views.signed_in import SignedInRequest, signed_in
from annotation.views.task_page import excerpt, turns

RUNS_OR_READS = (Role.LEAD, Role.REVIEWER, Role.ENGINEER)
BATCHES_SHOWN = 50
ITEMS_A_PAGE = 50
STUCK = "stuck"
STAFFING_FIELDS = (
    "pass_percent",
    "overlap_policy",
    "overlap_max",
    "gold_percent",
    "repeat_percent",
    "skill",
    "cap_per_annotator",
    "lease_minutes",
    "priority",
    "pay_per_item",
    "pay_currency",
)


def console_context(request: SignedInRequest, project: Project, here: str) -> dict[str, Any]:
    """What the frame of every console page needs: the project, the person's roles in it, where they are."""
    roles = roles_in(request.user, project)
    return {
        "project": project,
        "roles": [str(Role(role).label) for role in Role.values if role in roles],
        "is_lead": Role.LEAD in roles,
        "is_reviewer": Role.REVIEWER in roles,
        "is_annotator": Role.ANNOTATOR in roles,
        "here": here,
        "entries": [(key, entry) for key, entry in project_navigation if entry.roles & roles],
    }


@require_safe
@never_cache
@signed_in
def projects(request: SignedInRequest) -> HttpResponseBase:
    """Every project of the person, with what they are in it."""
    return render(
        request, "annotation/projects.html", {"rows": project_rows(request.user), "here": "projects"}
    )


@dataclass(frozen=True)
class DrawnPanel:
    title: str
    order: int
    html: SafeString


def drawn_panels(request: SignedInRequest, project: Project) -> list[DrawnPanel]:
    """The panels that higher rooms registered and that this person has business with, in their order."""
    panels = (make(request, project) for _, make in overview_panels)
    return drawn(request, {"project": project}, panels)


def drawn(
    request: SignedInRequest, context: dict[str, Any], panels: Iterable[Panel | None]
) -> list[DrawnPanel]:
    found = [
        DrawnPanel(
            panel.title,
            panel.order,
            render_to_string(panel.template_name, context | panel.context, request=request),
        )
        for panel in panels
        if panel is not None
    ]
    return sorted(found, key=lambda panel: panel.order)


@require_safe
@never_cache
@signed_in
def project(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """How far a project is, what waits for somebody, and the panels of the rooms above."""
    found = access_project(request.user, slug, *RUNS_OR_READS)
    rows = batch_rows(found, BATCHES_SHOWN)
    people = staff(found)
    facts = project_facts(found)
    context = console_context(request, found, "project") | {
        "rows": rows,
        "batches_total": found.batches.count() if len(rows) == BATCHES_SHOWN else len(rows),
        "open_batches": sum(row.batch.state == Batch.State.OPEN for row in rows),
        "items": sum(row.counts.items for row in rows),
        "progress": project_progress([found]).get(found.pk),
        "staff": people,
        "protocol": facts.protocol,
        "kind": judgment_kinds.get(facts.protocol.kind).name,
        "guideline_number": facts.guideline_number,
        "attention": attention(found, rows, people),
        "panels": drawn_panels(request, found),
    }
    return render(request, "annotation/project.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def batch_new(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """The form of an import; a POST queues it and leads to the job's page."""
    found = access_project(request.user, slug, Role.LEAD)
    protocol = project_facts(found).protocol
    if request.method == "POST":
        form = ImportForm(request.POST, request.FILES, protocol=protocol)
        if form.is_valid():
            try:
                _, queued = start_import(
                    project=found,
                    actor=request.user,
                    now=timezone.now(),
                    upload=form.upload(),
                    format=form.cleaned_data["format"],
                    name=form.cleaned_data["name"],
                    overlap=form.cleaned_data["overlap"],
                    dry_run=form.cleaned_data["dry_run"],
                    skip_bad_rows=form.cleaned_data["skip_bad_rows"],
                    **form.staffing(),
                )
                return redirect("job", job_id=queued.pk)
            except Refused as refusal:
                form.refuse(refusal)
    else:
        form = ImportForm(protocol=protocol)
    context = console_context(request, found, "batch_new") | {
        "form": form,
        "checks": [form["dry_run"], form["skip_bad_rows"]],
        "staffing": [form[name] for name in STAFFING_FIELDS],
        "protocol": protocol,
        "kind": judgment_kinds.get(protocol.kind).name,
    }
    return render(request, "annotation/batch_new.html", context, status=422 if form.is_bound else 200)


@require_safe
@never_cache
@signed_in
def job(request: SignedInRequest, job_id: UUID) -> HttpResponseBase:
    """How far a background job is and what came of it. htmx asks for the part that changes."""
    found = access_job(request.user, job_id)
    context: dict[str, Any] = {
        "job": found,
        "kind_words": found.kind.replace("_", " ").capitalize(),
        "here": "job",
        "percent": round(100 * found.progress),
    }
    if found.project is not None:
        context |= console_context(request, found.project, "job")
    context |= job_report(found)
    template = "annotation/_job_state.html" if request.htmx else "annotation/job.html"
    return render(request, template, context)


def job_report(job: Job) -> dict[str, Any]:
    """The outcome in the words of the page: of an import line by line, of other jobs as their figures."""
    outcome = job.result or {}
    errors = outcome.get("errors") or (job.error or {}).get("errors", [])
    is_import = job.kind == JOB_KIND
    figures = {
        key.replace("_", " "): value
        for key, value in outcome.items()
        if isinstance(value, (int, float, str)) and not isinstance(value, bool)
    }
    return {
        "is_import": is_import,
        "is_dry_run": is_import and job.arguments.get("batch") is None,
        "batch": batch_of_job(job) if is_import else None,
        "outcome": outcome,
        "figures": {} if is_import else figures,
        "errors": errors,
        "error_count": outcome.get("error_count", len(errors)),
        "refusal": (job.error or {}).get("detail", ""),
    }


@require_safe
@never_cache
@signed_in
def batch(request: SignedInRequest, slug: str, number: int) -> HttpResponseBase:
    """One batch: its counts, its settings, its items fifty at a time, and for a lead the way to close it."""
    return batch_page(request, access_batch(request.user, slug, number, *RUNS_OR_READS))


def batch_page(
    request: SignedInRequest,
    found: Batch,
    *,
    overlap_form: OverlapForm | None = None,
    staff_form: StaffForm | None = None,
) -> HttpResponseBase:
    """The page of a batch; a form that was refused comes back on it with its errors."""
    items = batch_items(found)
    stuck = stuck_items(found.project).filter(batch=found)
    is_filtered = request.GET.get("show") == STUCK
    page = Paginator(items.filter(pk__in=stuck) if is_filtered else items, ITEMS_A_PAGE).get_page(
        request.GET.get("page")
    )
    context = console_context(request, found.project, "batch") | {
        "row": BatchRow(found, batch_counts([found])[found.pk]),
        "batch": found,
        "kind": judgment_kinds.get(found.protocol.kind).name,
        "page": page,
        "items": [(item, excerpt(item)) for item in page],
        "is_filtered": is_filtered,
        "stuck": stuck.count(),
        "job": import_job_of(found),
    }
    saving = saving_of(found) if found.overlap_policy else None
    is_training = found.purpose == Batch.Purpose.TRAINING
    context |= {
        "is_training": is_training,
        "training": training_counts(found) if is_training else None,
        # Somebody who also judges here is not to see which items are checks (I13).
        "hides_gold": context["is_annotator"] and found.gold_share > 0,
        "policy": overlap_policies.get(found.overlap_policy).name if found.overlap_policy else "",
        "saving": saving,
        "saving_percent": round(100 * saving.share) if saving and saving.share else 0,
        "gold_percent": f"{100 * found.gold_share:g}",
        "repeat_percent": f"{100 * found.repeat_share:g}",
        "lease_minutes": f"{found.lease_seconds / 60:g}",
        "staff": found.staff.count(),
    }
    if context["is_lead"]:
        context |= {
            "overlap_form": overlap_form or OverlapForm(initial={"overlap": min(found.overlap + 1, 100)}),
            "staff_form": staff_form or StaffForm(batch=found),
        }
    is_refused = overlap_form is not None or staff_form is not None
    return render(request, "annotation/batch.html", context, status=422 if is_refused else 200)


@require_POST
@signed_in
def batch_close(request: SignedInRequest, slug: str, number: int) -> HttpResponseBase:
    """Close the batch: nobody is offered its items any more, and only reviewers correct."""
    found = access_batch(request.user, slug, number, Role.LEAD)
    try:
        closed = close_batch(batch=found, actor=request.user, now=timezone.now())
        messages.success(request, f"{closed.name} is closed.")
    except Refused as refusal:
        messages.error(request, refusal.detail)
    return redirect("batch", slug=slug, number=number)


@dataclass(frozen=True)
class Judged:
    judgment: Judgment
    words: list[Words]


@require_safe
@never_cache
@signed_in
def item(request: SignedInRequest, slug: str, number: int, item_number: int) -> HttpResponseBase:
    """All that is known of an item. Somebody who is to judge it sees none of that before (I13)."""
    found = access_item(request.user, slug, number, item_number)
    context = console_context(request, found.batch.project, "item") | {
        "batch": found.batch,
        "item": found,
        "neighbours": neighbours(found),
    }
    if is_theirs_to_judge(request.user, found):
        return render(request, "annotation/item_hidden.html", context)
    screen = item_screen(found)
    context |= {
        **item_text(found, screen),
        "reference": reference_words(found),
        "judged": [judged(judgment, screen) for judgment in item_judgments(found)],
        "exclusions": item_exclusions(found),
        "reports": item_reports(found),
        "panels": drawn(
            request,
            {"project": found.batch.project, "batch": found.batch, "item": found},
            (make(found) for _, make in item_panels),
        ),
    }
    return render(request, "annotation/item.html", context)


def item_text(item: Item, screen: Screen) -> dict[str, Any]:
    """What `annotation/_item_text.html` shows: the prompt and the completions of `screen`."""
    return {
        "prompt": turns(item.prompt),
        "completions": [
            {"label": label, "completion": completion, "messages": turns(completion.messages)}
            for label, completion in screen.by_label.items()
        ],
    }


def judged(judgment: Judgment, screen: Screen) -> Judged:
    """The answer with the order of the screen undone: A is the first completion of the file."""
    answer = judgment_kinds.get(screen.protocol.kind).answer(judgment, screen)
    return Judged(judgment, answer_words(answer, screen.criteria))


def reference_words(item: Item) -> str:
    if item.reference is None:
        return ""
    return "The data says A is better" if item.reference < 0 else "The data says B is better"


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@signed_in
def members(request: SignedInRequest, slug: str) -> HttpResponseBase:
    """Who is in the project. A POST adds somebody; a new account's password is on its answer and nowhere else."""
    found = access_project(request.user, slug, Role.LEAD)
    password = added = None
    form = MemberForm(request.POST if request.method == "POST" else None)
    if form.is_bound and form.is_valid():
        try:
            added, password = add_member(
                project=found,
                actor=request.user,
                email=form.cleaned_data["email"],
                role=form.cleaned_data["role"],
                now=timezone.now(),
            )
            form = MemberForm()
        except Refused as refusal:
            form.refuse(refusal)
    context = console_context(request, found, "members") | {
        "rows": member_rows(found),
        "form": form,
        "added": added,
        "password": password,
    }
    return render(request, "annotation/members.html", context, status=422 if form.is_bound else 200)
