"""The audit log: rows in the transaction of the change, a chain that shows every edit."""

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError
from django.db import connection

from annotation.audit import chain_head, record_audit, seal_audit, verify_chain
from annotation.models import AuditEvent
from tests.factories import NOW, World, make_world


@pytest.fixture
def world(db: None) -> World:
    world = make_world()
    world.batch(items=1, overlap=1)
    world.judge(world.member())
    return world


def test_rows_are_chained_once_and_later_ones_after_them(world: World) -> None:
    count = AuditEvent.objects.count()
    assert seal_audit() == count
    assert seal_audit() == 0
    position, digest = chain_head()
    assert position == count
    record_audit(project=world.project, actor=world.lead, action="test", obj=world.project, now=NOW)
    assert seal_audit() == 1
    assert chain_head()[0] == count + 1
    assert chain_head()[1] != digest
    assert verify_chain() is None


TABLES = ["item", "assignment", "receipt", "lease", "auditevent", "judgment"]


def with_triggers_off(sql: str) -> None:
    """What only the owner of the tables can do: change rows behind the triggers' back."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for table in TABLES:
            cursor.execute(f"ALTER TABLE annotation_{table} DISABLE TRIGGER USER")
        cursor.execute(sql)
        for table in TABLES:
            cursor.execute(f"ALTER TABLE annotation_{table} ENABLE TRIGGER USER")


def test_an_edit_by_a_superuser_is_found(world: World) -> None:
    seal_audit()
    with_triggers_off("UPDATE annotation_auditevent SET action = 'nothing' WHERE chain_position = 2")
    assert verify_chain() == 2


def test_a_row_taken_out_by_a_superuser_is_found(world: World) -> None:
    seal_audit()
    with_triggers_off("DELETE FROM annotation_auditevent WHERE chain_position = 2")
    assert verify_chain() == 2


@pytest.mark.django_db(transaction=True)
def test_no_audit_row_outside_a_transaction() -> None:
    world = make_world()
    with pytest.raises(RuntimeError, match="outside a transaction"):
        record_audit(project=None, actor=None, action="test", obj=world.project, now=NOW)


def test_check_invariants_says_that_all_hold(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    seal_audit()
    call_command("check_invariants")
    assert "hold" in capsys.readouterr().out


BREAKS = {
    "I1": "UPDATE annotation_item SET target_overlap = 2",
    "I4": "UPDATE annotation_assignment SET state = 'open', annotator_id = NULL, submitted_at = NULL",
    "I5": "UPDATE annotation_assignment SET attempt = 5",
    "I6": "DELETE FROM annotation_receipt",
    "I7": "UPDATE annotation_assignment SET state = 'leased', submitted_at = NULL, expires_at = '2020-01-01'",
    "I8": "DELETE FROM annotation_lease",
    "I11": "DELETE FROM annotation_auditevent WHERE action = 'judgment.accepted'",
    "I12": "ALTER TABLE annotation_judgment DISABLE TRIGGER USER",
    "I15": "UPDATE annotation_judgment SET display_order = '{0,0}'",
}


@pytest.mark.parametrize("code", BREAKS)
def test_check_invariants_finds_each_break(
    world: World, code: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The control of the checker: a superuser breaks the rule, and the report names it."""
    if code == "I12":
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute(BREAKS[code])
    else:
        with_triggers_off(BREAKS[code])
    with pytest.raises(CommandError):
        call_command("check_invariants")
    assert f"{code}  " in capsys.readouterr().out
