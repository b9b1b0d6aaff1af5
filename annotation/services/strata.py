"""Questions about the annotators themselves: asked by a lead, answered by whoever wants to, withdrawn without a trace.

No audit row holds an answer. Rows that tell who answered or withdrew are needed to show consent, and are on no page.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime

from django.db import transaction

from annotation.audit import record_audit
from annotation.errors import Refused
from annotation.models import Membership, Project, StratumAnswer, StratumQuestion, User
from annotation.models.strata import OPTIONS_LEAST, OPTIONS_MOST

QUESTIONS_MAX = 4
"""Each further question makes every person easier to tell from the rest."""
NAME_LENGTH, TEXT_LENGTH, OPTION_LENGTH = 40, 300, 80


def ask_stratum(
    *, project: Project, actor: User, name: str, text: str, options: Sequence[str], now: datetime
) -> StratumQuestion:
    """A question that annotators of the project may answer from now on. Raises Refused naming the field."""
    name, text, options = name.strip(), text.strip(), [option.strip() for option in options]
    refuse_unclear(name, text, options)
    with transaction.atomic():
        # Race: two leads add the last question at once. The second waits here and then counts the first's.
        Project.objects.select_for_update(no_key=True).get(pk=project.pk)
        asked = list(project.strata.values_list("name", flat=True))
        if len(asked) >= QUESTIONS_MAX:
            raise Refused(
                f"A project asks {QUESTIONS_MAX} questions at most. Delete one first.", field="name"
            )
        if name in asked:
            raise Refused("There is a question of this name already.", code="taken", field="name")
        question = StratumQuestion.objects.create(
            project=project, name=name, text=text, options=options, created_at=now, created_by=actor
        )
        record_audit(
            project=project,
            actor=actor,
            action="stratum.asked",
            obj=question,
            now=now,
            data={"options": len(options)},
        )
    return question


def refuse_unclear(name: str, text: str, options: Sequence[str]) -> None:
    for field, value, longest in (("name", name, NAME_LENGTH), ("text", text, TEXT_LENGTH)):
        if not value or len(value) > longest or not value.isprintable():
            raise Refused(f"Use 1 to {longest} printable characters on one line.", field=field)
    if not OPTIONS_LEAST <= len(options) <= OPTIONS_MOST:
        raise Refused(f"Offer {OPTIONS_LEAST} to {OPTIONS_MOST} answers, one a line.", field="options")
    for number, option in enumerate(options, start=1):
        if not option or len(option) > OPTION_LENGTH or not option.isprintable():
            raise Refused(
                f"Line {number}: use 1 to {OPTION_LENGTH} printable characters for an answer.",
                field="options",
            )
    if len({option.casefold() for option in options}) < len(options):
        raise Refused("An answer stands here twice.", field="options")


def drop_stratum(*, question: StratumQuestion, actor: User, now: datetime) -> None:
    """Ask it no more: the question goes with all answers to it and all figures by it."""
    with transaction.atomic():
        # Race: somebody answers meanwhile. They hold the question's row, and their answer is then deleted with it.
        locked = StratumQuestion.objects.select_for_update().filter(pk=question.pk).first()
        if locked is not None:
            record_audit(project=locked.project, actor=actor, action="stratum.dropped", obj=locked, now=now)
            locked.delete()


def answer_strata(
    *, annotator: Membership, options: Mapping[int, int | None], actor: User, now: datetime
) -> list[int]:
    """What `annotator` says now: {question: option, or None for what they would rather not say}.

    Questions that are not in `options`, and answers that stay the same, are left as they are. Answers the ids of the
    questions that changed. Raises Refused for a question that is not asked (any more) and an option that it has not,
    and then nothing is stored.
    """
    with transaction.atomic():
        # Race: a lead deletes the question meanwhile. Whoever is first is waited for.
        asked = {
            question.pk: question
            for question in annotator.project.strata.select_for_update(no_key=True).filter(pk__in=options)
        }
        # Race: the same person in two tabs. The second waits here and then sees what the first wrote.
        Membership.objects.select_for_update(no_key=True).get(pk=annotator.pk)
        own = StratumAnswer.objects.filter(annotator=annotator)
        before = dict(own.values_list("question_id", "option"))
        changed = [pk for pk, option in options.items() if before.get(pk) != option]
        for pk in changed:
            option = options[pk]
            if pk not in asked or (option is not None and not 0 <= option < len(asked[pk].options)):
                raise Refused("This question or answer is not there any more. Look at the page again.")
        own.filter(question__in=changed).delete()
        given = [(pk, option) for pk in changed if (option := options[pk]) is not None]
        StratumAnswer.objects.bulk_create(
            StratumAnswer(question_id=pk, annotator=annotator, option=option, given_at=now)
            for pk, option in given
        )
        told = {pk for pk, _ in given}
        for action, of in (("stratum.answered", told), ("stratum.withdrawn", set(changed) - told)):
            if of:
                record_audit(
                    project=annotator.project,
                    actor=actor,
                    action=action,
                    obj=annotator,
                    now=now,
                    data={"questions": sorted(of)},
                )
    return changed


def forget_strata(*, annotator: Membership, actor: User | None, now: datetime) -> int:
    """Delete all that one annotator said of themselves, at their wish or the operator's; answers how many answers."""
    with transaction.atomic():
        deleted, _ = StratumAnswer.objects.filter(annotator=annotator).delete()
        if deleted:
            record_audit(
                project=annotator.project, actor=actor, action="stratum.erased", obj=annotator, now=now
            )
    return deleted
