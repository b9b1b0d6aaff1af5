"""A reward run from request to figures: on a real release, by a job, kept as it is."""

import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, transaction
from django.template.loader import render_to_string
from django.test import Client, RequestFactory

from annotation.errors import Refused
from annotation.jobs import run_claimed
from annotation.models import Job
from exporters.models import Release
from rewards.models import RewardRun
from rewards.panels import reward_panel
from rewards.selectors import release_pairs
from rewards.services import start_reward_run
from rewards.storage import load_model
from tests.exporters.releases import cut
from tests.factories import NOW, World, make_world
from tests.rewards.pairs import invented_pairs

pytestmark = pytest.mark.django_db(transaction=True)  # a release is cut in a transaction of its own


def world_with_pairs(n: int = 60, **batch: Any) -> World:
    """A project whose items are invented pairs; the reference says which completion was chosen."""
    world = make_world({"kind": "pairwise", "points": 7, "overlap": 3})
    stored = world.batch(items=0, **batch)
    for number, pair in enumerate(invented_pairs(n), start=1):
        texts = [pair.chosen, pair.rejected] if number % 2 else [pair.rejected, pair.chosen]
        prompt = [{"role": "user", "content": pair.prompt}]
        world.item(stored, number, texts, prompt=prompt, reference=-1 if number % 2 else 1)
    return world


def released(world: World, **settings: Any) -> Release:
    release, job = cut(world, {"labels": "reference"} | settings)
    assert job.state == Job.State.SUCCEEDED, job.error
    return release


def trained(world: World, **settings: Any) -> RewardRun:
    run = start_reward_run(project=world.project, actor=world.lead, now=NOW, **settings)
    run_claimed(str(run.job_id), NOW + timedelta(seconds=1))
    run.refresh_from_db()
    run.job.refresh_from_db()
    return run


@pytest.mark.parametrize("model", ["surface", "tfidf_surface"])
@pytest.mark.parametrize("loss", ["bradley_terry", "hinge"])
def test_run_measures_on_the_test_part_of_the_release(model: str, loss: str) -> None:
    world = world_with_pairs()
    release = released(world)
    run = trained(world, model=model, loss=loss, seed=4)
    assert run.job.state == Job.State.SUCCEEDED, run.job.error
    assert run.n_pairs == run.n_prompts == release.rows.filter(split="test").count()
    assert run.train_pairs == release.rows.filter(split="train").count()
    assert run.accuracy == 1.0
    assert run.longer_wins is not None
    assert run.shorter_wins == pytest.approx(1 - run.longer_wins)
    assert run.human_ceiling is None, "nobody judged"
    stored = load_model(bytes(run.reward_model.data))
    assert stored.score("p", "why?? now?") > stored.score("p", "why. now")


def test_same_settings_give_the_same_model() -> None:
    world = world_with_pairs()
    released(world)
    first, second = trained(world), trained(world)
    assert first.pk != second.pk
    assert first.reward_model.sha256 == second.reward_model.sha256
    assert (first.accuracy_low, first.accuracy_high) == (second.accuracy_low, second.accuracy_high)


def judge_all(world: World, opinions: Sequence[int]) -> None:
    """One person per opinion judges all items: +1 as the reference, −1 against it, 0 a tie."""
    for opinion in opinions:
        member = world.member()
        for _ in range(world.project.items.count()):
            lease = world.lease(member)
            reference = lease.assignment.item.reference
            better = (reference * opinion + 1) // 2
            if opinion == 0:
                world.submit(lease, {"tie": "both_good"})
            else:
                world.submit(lease, {"preferred": "AB"[lease.display_order.index(better)], "strength": 1})


def test_human_ceiling_comes_from_the_judgments_of_the_test_part() -> None:
    world = world_with_pairs(30)
    judge_all(world, [1, 1, -1])
    released(world, labels="majority")
    run = trained(world)
    # Held out, each of the two sees one with and one against: a tie, left out. The third is against both.
    assert run.human_ceiling == 0.0
    assert run.human_ceiling_pairs == run.n_pairs
    assert run.accuracy == 1.0


def test_prompts_that_differ_only_in_case_do_not_leak() -> None:
    world = make_world()
    batch = world.batch(items=0)
    for number, pair in enumerate(invented_pairs(40), start=1):
        shouted = pair.prompt.upper() if number % 2 else pair.prompt
        same = shouted.replace(str(number - 1), str((number - 1) // 2))
        prompt = [{"role": "user", "content": same}]
        world.item(batch, number, [pair.chosen, pair.rejected], prompt=prompt, reference=-1)
    # As a release is cut today they stay together; those cut by the exact prompt are there for ever.
    release = released(world, split={"train": 0.8, "test": 0.2, "clusters": "exact"})
    pairs = release_pairs(release)
    train = {pair.prompt.casefold() for pair in pairs.train}
    assert not train & {pair.prompt.casefold() for pair in pairs.test}
    assert len(pairs.train) < release.rows.filter(split="train").count()


def test_too_small_a_release_is_a_sentence() -> None:
    world = world_with_pairs(10)
    released(world, split={"train": 0.5, "test": 0.5})
    run = trained(world)
    assert run.job.state == Job.State.FAILED
    assert re.fullmatch(r"Needs training pairs from 10 prompts, has \d\.", run.job.error["detail"])
    assert run.accuracy is None


def test_a_release_without_test_part_is_a_sentence() -> None:
    world = world_with_pairs(20)
    released(world, split={"train": 1.0})
    assert "no preference pairs in its test part" in trained(world).job.error["detail"]


def test_unknown_settings_and_missing_releases_are_refused() -> None:
    world = world_with_pairs(3)
    for settings, field in (
        ({"model": "deep"}, "model"),
        ({"loss": "square"}, "loss"),
        ({"release": "9"}, "release"),
        ({}, "release"),
    ):
        with pytest.raises(Refused) as refusal:
            start_reward_run(project=world.project, actor=world.lead, now=NOW, **settings)
        assert refusal.value.errors[0].field == field
    assert not RewardRun.objects.exists()
    assert not Job.objects.filter(kind="train_reward").exists()


def test_asking_twice_while_it_waits_is_one_run() -> None:
    world = world_with_pairs(20)
    released(world)
    first = start_reward_run(project=world.project, actor=world.lead, now=NOW)
    again = start_reward_run(project=world.project, actor=world.lead, now=NOW)
    other = start_reward_run(project=world.project, actor=world.lead, now=NOW, seed=1)
    assert first.pk == again.pk != other.pk


def test_figures_of_a_finished_run_are_never_changed() -> None:
    world = world_with_pairs(20)
    released(world)
    run = trained(world)
    for change in ({"accuracy": 0.99}, {"finished_at": None}):
        with pytest.raises(DatabaseError, match="rewardrun_result_immutable"), transaction.atomic():
            RewardRun.objects.filter(pk=run.pk).update(**change)
    waiting = start_reward_run(project=world.project, actor=world.lead, now=NOW, seed=1)
    with pytest.raises(DatabaseError, match="rewardrun_kept"), transaction.atomic():
        RewardRun.objects.filter(pk=waiting.pk).delete()
    Job.objects.filter(pk=run.job_id).update(state=Job.State.QUEUED)
    run_claimed(str(run.job_id), NOW + timedelta(hours=1))
    again = RewardRun.objects.get(pk=run.pk)
    assert again.finished_at == run.finished_at


def test_half_a_result_is_refused_by_the_table() -> None:
    world = world_with_pairs(20)
    released(world)
    run = start_reward_run(project=world.project, actor=world.lead, now=NOW)
    with pytest.raises(DatabaseError, match="rewardrun_result_whole"), transaction.atomic():
        RewardRun.objects.filter(pk=run.pk).update(accuracy=0.9)


def api(world: World, role: str) -> Any:
    return Client(headers={"authorization": f"Bearer {world.token(world.member(role).user)}"})


def test_api_starts_a_run_and_shows_its_figures() -> None:
    world = world_with_pairs()
    released(world)
    client = api(world, "engineer")
    url = f"/api/v1/projects/{world.project.slug}/reward-runs"
    body = {"release": "latest", "model": "surface", "loss": "bradley_terry", "seed": 0}
    started = client.post(url, body, content_type="application/json")
    assert started.status_code == 202
    assert set(started.json()) == {"run", "job"}
    waiting = client.get(f"{url}/{started.json()['run']}").json()
    assert (waiting["state"], waiting["accuracy"]) == ("queued", None)

    run_claimed(started.json()["job"], NOW)
    done = client.get(f"{url}/{started.json()['run']}").json()
    assert done["state"] == "succeeded"
    assert set(done["accuracy"]) == {"value", "low", "high", "n_pairs", "n_prompts"}
    assert done["baselines"]["chance"] == 0.5
    assert done["baselines"]["longer_wins"] + done["baselines"]["shorter_wins"] == pytest.approx(1)
    assert "human_ceiling" not in done["baselines"]
    assert (done["seed"], done["release"], done["model"]) == (0, "1", "surface")
    assert client.get(url).json()["results"][0]["id"] == done["id"]


def test_api_refuses_with_the_field_at_fault() -> None:
    world = world_with_pairs(3)
    client = api(world, "engineer")
    url = f"/api/v1/projects/{world.project.slug}/reward-runs"
    for body, field in (({"model": "deep"}, "model"), ({"release": "x"}, "release"), ({"sed": 1}, "sed")):
        response = client.post(url, body, content_type="application/json")
        assert response.status_code == 422
        assert response.json()["errors"][0]["field"] == field


def test_runs_are_for_engineers_and_foreign_ones_are_not_found() -> None:
    world, other = world_with_pairs(20), world_with_pairs(20)
    released(world)
    run = trained(world)
    url = f"/api/v1/projects/{world.project.slug}/reward-runs"
    assert api(world, "annotator").get(f"{url}/{run.pk}").status_code == 403
    assert api(world, "annotator").post(url, {}, content_type="application/json").status_code == 403
    assert api(other, "engineer").get(f"{url}/{run.pk}").status_code == 404
    foreign = f"/api/v1/projects/{other.project.slug}/reward-runs/{run.pk}"
    assert api(other, "engineer").get(foreign).status_code == 404


def test_page_shows_plot_and_table() -> None:
    world = world_with_pairs()
    released(world)
    run = trained(world)
    client = Client()
    client.force_login(world.member("engineer").user)
    html = client.get(f"/projects/{world.project.slug}/reward-runs/{run.pk}").content.decode()
    for name in ("Model", "Chance", "Longer wins", "Shorter wins"):
        assert f">{name}</text>" in html, name
        assert f'>{name} <span class="subtle">' in html, name
    assert 'role="img" aria-label="Pairwise accuracy. Model 100.0%' in html
    assert "No human ceiling" in html
    assert not re.search(r"\sstyle=|\son[a-z]+=", html)


def test_page_of_a_failed_run_says_why() -> None:
    world = world_with_pairs(10)
    released(world, split={"train": 0.5, "test": 0.5})
    run = trained(world)
    client = Client()
    client.force_login(world.lead)
    html = client.get(f"/projects/{world.project.slug}/reward-runs/{run.pk}").content.decode()
    assert "Needs training pairs from 10 prompts" in html
    assert '<svg class="chart' not in html


def test_engineer_starts_a_run_from_the_page() -> None:
    world = world_with_pairs(20)
    released(world)
    client = Client()
    client.force_login(world.member("engineer").user)
    response = client.post(f"/projects/{world.project.slug}/reward-runs", {"model": "surface"})
    run = RewardRun.objects.get()
    assert (response.status_code, response["Location"]) == (
        302,
        f"/projects/{world.project.slug}/reward-runs/{run.pk}",
    )


def panel_html(world: World, role: str) -> str | None:
    request = RequestFactory().get("/")
    request.user = world.member(role).user
    panel = reward_panel(request, world.project)
    return panel and render_to_string(panel.template_name, panel.context, request=request)


def test_panel_tells_what_there_is() -> None:
    world = world_with_pairs()
    assert "cut one first" in str(panel_html(world, "engineer"))
    released(world)
    assert "No reward model has been trained yet" in str(panel_html(world, "engineer"))
    run = trained(world)
    html = str(panel_html(world, "engineer"))
    assert "test pairs of" in html
    assert f"/reward-runs/{run.pk}" in html
    assert panel_html(world, "annotator") is None


def test_command_prints_the_figures(capsys: pytest.CaptureFixture[str]) -> None:
    world = world_with_pairs()
    with pytest.raises(CommandError, match="no release yet"):
        call_command("train_reward", world.project.slug)
    released(world)
    call_command("train_reward", world.project.slug, "--seed", "2")
    out = capsys.readouterr().out
    assert re.search(r"Model +100\.0%", out)
    assert re.search(r"Chance +50\.0%", out)
    assert "Longer wins" in out
