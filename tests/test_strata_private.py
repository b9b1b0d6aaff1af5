"""What people say of themselves stays between them and the figures: no page, call, release or audit row holds it."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from annotation.models import AuditEvent, StratumAnswer
from annotation.services.people import create_token
from annotation.services.strata import answer_strata
from comparisons.erasure import erase_texts
from tests.comparisons.strata import OPTIONS, compute, judged
from tests.exporters.releases import cut
from tests.factories import NOW
from tests.test_permissions import (
    API,
    HOLDER,
    PAGES,
    People,
    bearer,
    call,
    page_client,
    people,  # noqa: F401  (a fixture)
)

pytestmark = pytest.mark.django_db
TABLE = "annotation_stratumanswer"
GETS = [name for name, rows in (API | PAGES).items() if any(row.method == "GET" for row in rows)]


def asked(person: Any, name: str, address: str) -> tuple[Any, bool]:
    """The answer, and whether the table of what people said was read for it."""
    if name in API:
        client, headers = Client(), bearer(create_token(user=person, now=NOW, name="test"))
    else:
        client, headers = page_client(person), {}
    with CaptureQueriesContext(
        connection,
    ) as queries:
        response = call(client, name, "GET", address, **headers)
    return response, any(TABLE in query["sql"] for query in queries)


@pytest.mark.parametrize("name", sorted(GETS))
def test_nobody_reads_it_but_the_person_on_their_own_page(people: People, name: str) -> None:  # noqa: F811
    """Every page and call, for everybody. Who may not open it is refused before; the own page is the control."""
    for person, user in people.users.items():
        _, is_read = asked(user, name, people.address(name))
        # Another annotator's page reads their own rows, of which there are none.
        assert is_read == (name == "about_you" and person in (HOLDER, "annotator")), person


def test_ones_own_page_shows_ones_own_answer_only(people: People) -> None:  # noqa: F811
    own, _ = asked(people.users[HOLDER], "about_you", people.address("about_you"))
    other, _ = asked(people.users["annotator"], "about_you", people.address("about_you"))
    checked = [line for line in own.content.decode().split("<input") if "checked" in line]
    assert len(checked) == 1 and 'value="1"' in checked[0]
    [nothing] = [line for line in other.content.decode().split("<input") if "checked" in line]
    assert 'value=""' in nothing


def test_the_audit_log_knows_that_and_not_what() -> None:
    world, question, groups = judged((10, 10), items=1)
    person = groups[0][0]
    answer_strata(annotator=person, options={question.pk: None}, actor=person.user, now=NOW)
    answer_strata(annotator=person, options={question.pk: 2}, actor=person.user, now=NOW)
    erase_texts(annotator=person, actor=None, now=NOW)
    rows = AuditEvent.objects.filter(project=world.project, action__startswith="stratum.")
    own = rows.filter(object_type="membership", object_id=str(person.pk)).order_by("pk")
    assert list(own.values_list("action", "data")) == [
        ("stratum.answered", {"questions": [question.pk]}),
        ("stratum.withdrawn", {"questions": [question.pk]}),
        ("stratum.answered", {"questions": [question.pk]}),
        ("stratum.erased", {}),
    ]
    told = json.dumps(list(AuditEvent.objects.values_list("action", "object_type", "object_id", "data")))
    assert not any(option in told for option in OPTIONS)


def test_erasing_a_person_deletes_what_they_said_and_nobody_elses() -> None:
    _, question, groups = judged((10, 10), items=1)
    erase_texts(annotator=groups[0][0], actor=None, now=NOW)
    left = StratumAnswer.objects.filter(question=question)
    assert left.count() == 19 and not left.filter(annotator=groups[0][0]).exists()


@pytest.mark.django_db(transaction=True)
def test_a_release_reads_none_of_it() -> None:
    """Neither the answers, nor the questions, nor the figures: what is not read is in no file."""
    world, _, _ = judged((10, 10), items=2)
    compute(world)
    with CaptureQueriesContext(connection) as queries:
        release, job = cut(world, {"formats": ["preference", "judgments"]})
    assert release.state == "frozen", job.error
    assert any("comparisons_pairwiseanswer" in query["sql"] for query in queries)
    assert not any("stratum" in query["sql"] for query in queries)
