"""The whole road on real pairs: HH transcripts imported, released by their reference labels, a model trained.

Reference figure: 62.3 % for surface features with logistic regression, 43.3 % for the longer completion.
"""

from datetime import timedelta
from pathlib import Path

import pytest
from django.core.management import call_command

from annotation.jobs import run_claimed
from annotation.models import Item, Job
from rewards.models import RewardRun
from rewards.services import start_reward_run
from tests.exporters.releases import cut
from tests.factories import NOW, make_world

pytestmark = [pytest.mark.data, pytest.mark.django_db(transaction=True)]


def test_hh_release_with_reference_labels_holds_the_reference_figure(shared_data: Path) -> None:
    world = make_world()
    call_command(
        "import_batch", world.project.slug, str(shared_data / "hh_harmless" / "test.jsonl.gz"), format="hh"
    )
    assert Item.objects.count() == 2312
    release, job = cut(world, {"labels": "reference"})
    assert job.state == Job.State.SUCCEEDED, job.error

    run = start_reward_run(project=world.project, actor=world.lead, now=NOW)
    run_claimed(str(run.job_id), NOW + timedelta(days=2))
    run = RewardRun.objects.get(pk=run.pk)
    assert run.job.state == Job.State.SUCCEEDED, run.job.error
    assert run.accuracy_low is not None
    assert run.accuracy_high is not None
    assert run.accuracy_low <= 0.623 <= run.accuracy_high
    assert run.accuracy_low > 0.5
    assert run.longer_wins is not None
    assert run.longer_wins < 0.5
    assert run.longer_wins_low is not None
    assert run.longer_wins_high is not None
    assert run.longer_wins_low <= 0.433 <= run.longer_wins_high
    assert run.human_ceiling is None, "one label a pair"
    assert run.n_pairs == release.rows.filter(split="test").count()
