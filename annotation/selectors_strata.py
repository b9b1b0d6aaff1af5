"""Reads: the questions about themselves that annotators are asked, and what one person said. Never several people's:
figures of strata are made by `comparisons.studies.strata`, and by nothing else."""

from django.db.models import Exists, OuterRef

from annotation.models import Membership, Project, StratumAnswer, StratumQuestion, User


def strata_asked(project: Project) -> list[StratumQuestion]:
    """In the order in which they were added."""
    return list(project.strata.order_by("pk"))


def own_strata(annotator: Membership) -> dict[int, int]:
    """Question → the option that this person gave."""
    own = StratumAnswer.objects.filter(annotator=annotator)
    return dict(own.values_list("question_id", "option"))


def projects_that_ask(user: User) -> list[Project]:
    """Where `user` judges and is asked about themselves, by name."""
    judging = Membership.objects.filter(
        project=OuterRef("pk"), user=user, role=Membership.Role.ANNOTATOR, is_active=True
    )
    asks = StratumQuestion.objects.filter(project=OuterRef("pk"))
    return list(Project.objects.filter(Exists(judging), Exists(asks)).order_by("name"))
