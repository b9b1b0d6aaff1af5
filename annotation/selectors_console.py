"""Reads of the console: what leads, reviewers and engineers see of a project."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from django.db.models import Count, Exists, F, Max, Min, OuterRef, Q, QuerySet
from django.urls import reverse

from annotation.access import reachable_projects
from annotation.kinds import Screen
from annotation.models import (
    ApiToken,
    Assignment,
    Batch,
    Exclusion,
    Item,
    Job,
    Judgment,
    Lease,
    Membership,
    Project,
    ProtocolVersion,
    User,
)
from annotation.selectors import BatchCounts, batch_counts, current_guideline

WORK = Assignment.Purpose.WORK
ROLE_ORDER = list(Membership.Role.values)


@dataclass(frozen=True)
class Progress:
    """Non-void work slots, and how many of them hold an accepted judgment."""

    submitted: int = 0
    slots: int = 0

    @property
    def percent(self) -> int:
        """0…100, rounded down so that 100 means done."""
        return 100 * self.submitted // self.slots if self.slots else 0


@dataclass(frozen=True)
class ProjectRow:
    project: Project
    roles: list[str]
    """Keys of the roles that the person has in it, in the order of `Membership.Role`."""
    progress: Progress

    @property
    def role_names(self) -> list[str]:
        return [str(Membership.Role(role).label) for role in self.roles]

    @property
    def is_only_annotator(self) -> bool:
        return self.roles == [Membership.Role.ANNOTATOR]


def project_rows(user: User) -> list[ProjectRow]:
    """The person's projects by name, in three queries."""
    projects = list(reachable_projects(user).order_by("name", "slug"))
    roles: dict[int, set[str]] = {project.pk: set() for project in projects}
    for pk, role in user.memberships.filter(is_active=True).values_list("project_id", "role"):
        roles.setdefault(pk, set()).add(role)
    progress = project_progress(projects)
    return [
        ProjectRow(
            project=project,
            roles=sorted(roles[project.pk], key=ROLE_ORDER.index),
            progress=progress.get(project.pk, Progress()),
        )
        for project in projects
    ]


def project_progress(projects: Iterable[Project]) -> dict[int, Progress]:
    """Progress by project id over all batches that were not refused; projects without slots are left out."""
    rows = (
        Assignment.objects.filter(purpose=WORK, batch__project__in=list(projects))
        .exclude(state=Assignment.State.VOID)
        .values("batch__project")
        .annotate(slots=Count("id"), submitted=Count("id", filter=Q(state=Assignment.State.SUBMITTED)))
    )
    return {row["batch__project"]: Progress(row["submitted"], row["slots"]) for row in rows}


@dataclass(frozen=True)
class BatchRow:
    batch: Batch
    counts: BatchCounts

    @property
    def progress(self) -> Progress:
        return Progress(self.counts.submitted, self.counts.slots)


def batch_rows(project: Project, limit: int) -> list[BatchRow]:
    """The newest batches with their counts, in four queries for any number of batches."""
    batches = list(project.batches.select_related("protocol").order_by("-number")[:limit])
    counts = batch_counts(batches)
    return [BatchRow(batch, counts[batch.pk]) for batch in batches]


@dataclass(frozen=True)
class Attention:
    """One thing that waits for a person: what, why, and the one page where to act."""

    title: str
    why: str
    action: str
    url_name: str
    arguments: Sequence[object] = ()
    is_bad: bool = False

    @property
    def url(self) -> str:
        return reverse(self.url_name, args=self.arguments)

    @property
    def is_for_leads(self) -> bool:
        """Whether only a lead may open that page."""
        return self.url_name in ("members", "job")


def attention(project: Project, rows: Sequence[BatchRow], people: "Staff") -> list[Attention]:
    """What a lead should look at now. Empty when nothing does."""
    found: list[Attention] = []
    newest = rows[0].batch if rows else None
    if newest is not None and newest.state in (Batch.State.FAILED, Batch.State.IMPORTING):
        job = import_job_of(newest)
        if job is not None and newest.state == Batch.State.FAILED:
            why = "Nothing was stored. The report names each line and how to mend it."
            found.append(
                Attention(f"{newest.name} was refused", why, "See the errors", "job", [job.pk], is_bad=True)
            )
        elif job is not None:
            why = "The file is being checked. Annotators see nothing of it until it is complete."
            found.append(Attention(f"{newest.name} is being imported", why, "Watch", "job", [job.pk]))
    left = sum(row.counts.open for row in rows if row.batch.state == Batch.State.OPEN)
    if left and not people.annotators:
        why = f"{left} judgments are wanted, and the project has no annotator."
        found.append(Attention("Nobody can judge", why, "Add annotators", "members", [project.slug]))
    stuck = stuck_items(project).values("batch__number").annotate(n=Count("id")).order_by("batch__number")
    for row in stuck:
        why = f"{project.exclusion_limit} people could not judge each of them, so nobody is offered them any more."
        title = f"{row['n']} item{'' if row['n'] == 1 else 's'} of batch {row['batch__number']} "
        title += "waits for review" if row["n"] == 1 else "wait for review"
        found.append(Attention(title, why, "Open", "batch", [project.slug, row["batch__number"]]))
    return found


def stuck_items(project: Project) -> QuerySet[Item]:
    """Items with an open work slot that so many people could not judge that nobody is offered them."""
    given_up = (
        Exclusion.objects.filter(item__project=project)
        .values("item")
        .annotate(n=Count("id"))
        .filter(n__gte=project.exclusion_limit)
        .values("item")
    )
    wanted = Assignment.objects.filter(item=OuterRef("pk"), purpose=WORK, state=Assignment.State.OPEN)
    open_items = Item.objects.filter(project=project, batch__state=Batch.State.OPEN, pk__in=given_up)
    return open_items.filter(Exists(wanted))


@dataclass(frozen=True)
class Staff:
    """Active members by role; simulated ones are counted apart among the annotators."""

    counts: dict[str, int]
    simulated: int

    @property
    def annotators(self) -> int:
        return self.counts.get(Membership.Role.ANNOTATOR, 0)

    @property
    def words(self) -> list[str]:
        """As in "2 annotators"."""
        return [
            f"{self.counts[role]} {role}{'' if self.counts[role] == 1 else 's'}"
            for role in ROLE_ORDER
            if self.counts.get(role)
        ]


def staff(project: Project) -> Staff:
    members = project.memberships.filter(is_active=True)
    counts = dict(members.values_list("role").annotate(n=Count("id")))
    simulated = members.filter(role=Membership.Role.ANNOTATOR, is_simulated=True).count()
    return Staff(counts=counts, simulated=simulated)


@dataclass(frozen=True)
class ProjectFacts:
    protocol: ProtocolVersion
    guideline_number: int


def project_facts(project: Project) -> ProjectFacts:
    return ProjectFacts(project.protocols.latest("number"), current_guideline(project.pk).number)


def batches_asking(protocol: ProtocolVersion) -> int:
    """How many batches were imported under this version."""
    return protocol.batches.count()


def import_job_of(batch: Batch) -> Job | None:
    """The job that imported `batch`, or tried to."""
    return (
        Job.objects.filter(project_id=batch.project_id, arguments__batch=batch.pk)
        .order_by("-created_at")
        .first()
    )


def batch_of_job(job: Job) -> Batch | None:
    """The batch that an import job fills; None for a dry run and for other kinds of jobs."""
    return Batch.objects.filter(project=job.project, pk=job.arguments.get("batch")).first()


def batch_items(batch: Batch) -> QuerySet[Item]:
    """Items in the order of the file, each with `submitted` (of `target_overlap`) and `excluded` (people)."""
    done = Q(assignments__purpose=WORK, assignments__state=Assignment.State.SUBMITTED)
    return batch.items.order_by("number").annotate(
        submitted=Count("assignments", filter=done, distinct=True),
        excluded=Count("exclusions", distinct=True),
    )


@dataclass(frozen=True)
class Neighbours:
    """Numbers of the items before and after, None at the ends."""

    previous: int | None
    next: int | None


def neighbours(item: Item) -> Neighbours:
    found = Item.objects.filter(batch_id=item.batch_id).aggregate(
        previous=Max("number", filter=Q(number__lt=item.number)),
        next=Min("number", filter=Q(number__gt=item.number)),
    )
    return Neighbours(found["previous"], found["next"])


def is_theirs_to_judge(user: User, item: Item) -> bool:
    """Whether `user` also judges in the project and may still answer this item (I13).

    They may while they hold it. Otherwise not after an answer, nor once they gave it back or lost it: what
    they send then never counts. Who was shown it before may have it open in a browser, in a closed batch too.
    """
    annotator = Membership.objects.filter(
        project_id=item.project_id, user=user, role=Membership.Role.ANNOTATOR, is_active=True
    ).first()
    if annotator is None:
        return False
    if item.assignments.filter(annotator=annotator, state=Assignment.State.LEASED).exists():
        return True
    if Judgment.objects.filter(item=item, annotator=annotator).exists():
        return False
    if Exclusion.objects.filter(item=item, annotator=annotator).exists():
        return False
    was_shown = Lease.objects.filter(assignment__item=item, annotator=annotator)
    return item.batch.state == Batch.State.OPEN or was_shown.exists()


def item_screen(item: Item) -> Screen:
    """The item with its completions in the order of import: here A is the first one of the file."""
    protocol = item.batch.protocol
    return Screen(
        protocol=protocol,
        criteria=list(protocol.criteria.order_by("position")),
        completions=list(item.completions.order_by("position")),
    )


def item_judgments(item: Item) -> list[Judgment]:
    """Judgments that no later one supersedes, late ones included, oldest first."""
    return list(
        item.judgments.filter(superseded_by__isnull=True)
        .select_related("annotator", "assignment", "guideline")
        .order_by("created_at", "id")
    )


def item_exclusions(item: Item) -> list[Exclusion]:
    return list(item.exclusions.select_related("annotator").order_by("created_at", "id"))


@dataclass(frozen=True)
class MemberRow:
    member: Membership
    submitted: int = 0


def member_rows(project: Project) -> list[MemberRow]:
    """Everybody who can sign in here by role, then by address; `submitted` counts current judgments."""
    members = (
        project.memberships.filter(is_imported=False).select_related("user").order_by("role", "user__email")
    )
    counts = dict(
        Judgment.objects.current()
        .filter(annotator__project=project)
        .values_list("annotator")
        .annotate(n=Count("id"))
    )
    rows = [MemberRow(member, counts.get(member.pk, 0)) for member in members]
    return sorted(rows, key=lambda row: ROLE_ORDER.index(row.member.role))


@dataclass(frozen=True)
class TokenRow:
    token: ApiToken
    projects: list[str] = field(default_factory=list)


def token_rows(user: User) -> list[TokenRow]:
    """The person's tokens, usable ones first, each with the slugs it is limited to."""
    tokens = user.api_tokens.prefetch_related("projects").order_by(
        F("revoked_at").desc(nulls_first=True), "-created_at"
    )
    return [TokenRow(token, [project.slug for project in token.projects.all()]) for token in tokens]
