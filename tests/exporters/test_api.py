"""Releases over HTTP: the calls of api.md, ranges and conditions, refusals."""

import base64
import hashlib
import json
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from annotation.jobs import run_claimed
from annotation.models import Membership
from exporters.models import Release
from exporters.sending import RangeNotSatisfiable, requested_range
from tests.exporters.releases import contents, cut, judge_item, judged_world
from tests.factories import NOW, World, make_world

pytestmark = pytest.mark.django_db(transaction=True)


class Api:
    """A script with one token, below /api/v1/projects/{slug}."""

    def __init__(self, world: World, member: Membership, **token: Any) -> None:
        self.client = Client()
        self.base = f"/api/v1/projects/{world.project.slug}"
        self.headers = {"Authorization": f"Bearer {world.token(member.user, **token)}"}

    def get(self, path: str, **headers: str) -> Any:
        return self.client.get(self.base + path, headers=self.headers | headers)

    def head(self, path: str) -> Any:
        return self.client.head(self.base + path, headers=self.headers)

    def post(self, path: str, body: Any, **headers: str) -> Any:
        return self.client.post(
            self.base + path,
            json.dumps(body),
            content_type="application/json",
            headers=self.headers | headers,
        )


@pytest.fixture
def world() -> World:
    return judged_world([[-2, 2, 1], [-1, 1, 1]])


@pytest.fixture
def api(world: World) -> Api:
    return Api(world, world.member("engineer"))


def body(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_a_release_from_the_request_to_its_manifest(world: World, api: Api) -> None:
    started = api.post("/releases", {"labels": "majority", "split": {"train": 1}})
    assert started.status_code == 202
    assert set(started.json()) == {"release", "job"} and started.json()["release"] == "1"
    building = api.get("/releases/1").json()
    assert (building["state"], building["job"], building["files"]) == ("building", started.json()["job"], [])
    assert api.get("/releases/latest").status_code == 404
    run_claimed(started.json()["job"], NOW)

    manifest = api.get("/releases/latest").json()
    assert manifest == api.get("/releases/1").json()
    assert manifest["state"] == "frozen" and manifest["rows"] == 3 and manifest["error"] is None
    assert manifest["splits"] == {"train": {"rows": 3, "prompts": 3}}
    assert manifest["card"].startswith("---\npretty_name:")
    assert manifest["audit_head"]["position"] > 0 and len(manifest["audit_head"]["hash"]) == 64
    assert [file["name"] for file in manifest["files"]] == [
        "train-00000-of-00001.jsonl.gz",
        "train-00000-of-00001.parquet",
        "DATASHEET.md",
        "README.md",
        "SHA256SUMS",
        "croissant.json",
        "manifest.json",
    ]
    stored = contents(Release.objects.get())
    for file in manifest["files"]:
        assert file["url"].endswith(f"/releases/1/files/{file['name']}")
        assert file["sha256"] == hashlib.sha256(stored[file["name"]]).hexdigest()
        assert file["bytes"] == len(stored[file["name"]])
    job = api.client.get(f"/api/v1/jobs/{started.json()['job']}", headers=api.headers).json()
    assert job["result"] == {"release": "1", "rows": 3, "splits": manifest["splits"], "warnings": []}
    listed = api.get("/releases").json()
    assert listed["next"] is None
    assert [(r["release"], r["state"], r["rows"]) for r in listed["results"]] == [("1", "frozen", 3)]


def test_a_failed_release_says_why() -> None:
    world = make_world()
    api = Api(world, world.member("engineer"))
    started = api.post("/releases", {"version": "one"}).json()
    run_claimed(started["job"], NOW)
    manifest = api.get("/releases/one").json()
    assert manifest["state"] == "failed"
    assert manifest["error"] == "There is nothing to release: no item passes the filters."


def test_the_same_key_cuts_once(world: World, api: Api) -> None:
    key = {"Idempotency-Key": "k1"}
    first, again = (api.post("/releases", {}, **key) for _ in range(2))
    assert first.json() == again.json() and Release.objects.count() == 1
    assert api.post("/releases", {"ties": "both"}, **key).status_code == 409


@pytest.mark.parametrize(
    ("wanted", "field"),
    [
        ({"labels": "truth"}, "labels"),
        ({"labels": []}, "labels"),
        ({"labels": {}}, "labels"),
        ({"ties": []}, "ties"),
        ({"formats": [[]]}, "formats"),
        ({"filters": {"batches": [5]}}, "filters.batches"),
        ({"version": "latest"}, "version"),
        ({"version": 3}, "version"),
        ({"version": "a/b"}, "version"),
        ({"shards": 3}, "shards"),
        ([], "body"),
    ],
)
def test_settings_that_do_not_fit_answer_422(api: Api, wanted: Any, field: str) -> None:
    response = api.post("/releases", wanted)
    assert response.status_code == 422
    assert response["Content-Type"] == "application/problem+json"
    assert [error["field"] for error in response.json()["errors"]] == [field]
    assert not Release.objects.exists()


def test_a_name_is_taken_once(world: World, api: Api) -> None:
    cut(world, version="one")
    assert api.post("/releases", {"version": "one"}).status_code == 422


# Files


@pytest.fixture
def file(world: World) -> tuple[str, bytes]:
    """(path below the project, bytes) of the JSONL file."""
    release, _ = cut(world, {"split": {"train": 1}})
    name = "train-00000-of-00001.jsonl.gz"
    return f"/releases/1/files/{name}", contents(release)[name]


def test_a_whole_file_comes_with_its_hash(api: Api, file: tuple[str, bytes]) -> None:
    path, data = file
    response = api.get(path)
    digest = hashlib.sha256(data)
    assert response.status_code == 200 and body(response) == data
    assert response["ETag"] == f'"{digest.hexdigest()}"'
    assert response["Digest"] == f"sha-256={base64.b64encode(digest.digest()).decode()}"
    assert response["Content-Length"] == str(len(data)) and response["Accept-Ranges"] == "bytes"
    assert response["Content-Type"] == "application/gzip"
    assert response["Content-Disposition"] == 'attachment; filename="train-00000-of-00001.jsonl.gz"'
    head = api.head(path)
    assert head.status_code == 200 and head["Content-Length"] == str(len(data))
    assert body(head) == b""


def test_accept_headers_do_not_matter(api: Api, file: tuple[str, bytes]) -> None:
    path, data = file
    assert body(api.get(path, Accept="application/vnd.apache.parquet")) == data


@pytest.mark.parametrize(
    ("header", "start", "end"),
    [("bytes=0-0", 0, 1), ("bytes=10-", 10, None), ("bytes=5-14", 5, 15), ("bytes=-7", -7, None)],
)
def test_a_range_gives_its_bytes(
    api: Api, file: tuple[str, bytes], header: str, start: int, end: int | None
) -> None:
    path, data = file
    response = api.get(path, Range=header)
    expected = data[start:end]
    first = start % len(data)
    assert response.status_code == 206 and body(response) == expected
    assert response["Content-Range"] == f"bytes {first}-{first + len(expected) - 1}/{len(data)}"
    assert response["Content-Length"] == str(len(expected))


def test_ranges_beyond_the_end_are_cut_or_refused(api: Api, file: tuple[str, bytes]) -> None:
    path, data = file
    assert body(api.get(path, Range=f"bytes=3-{len(data) + 50}")) == data[3:]
    beyond = api.get(path, Range=f"bytes={len(data)}-")
    assert beyond.status_code == 416 and beyond["Content-Range"] == f"bytes */{len(data)}"
    assert beyond["Content-Type"] == "application/problem+json" and beyond.json()["status"] == 416


@pytest.mark.parametrize("header", ["bytes=9-3", "bytes=-", "bytes=a-b", "rows=0-1", "bytes=0-1,3-4"])
def test_a_range_that_makes_no_sense_gives_the_whole(api: Api, file: tuple[str, bytes], header: str) -> None:
    path, data = file
    response = api.get(path, Range=header)
    assert response.status_code == 200 and body(response) == data


def test_conditions_compare_the_hash(api: Api, file: tuple[str, bytes]) -> None:
    path, data = file
    etag = api.get(path)["ETag"]
    for header in (etag, f'"x", W/{etag}', "*"):
        unchanged = api.get(path, **{"If-None-Match": header})
        assert unchanged.status_code == 304 and not unchanged.content and unchanged["ETag"] == etag
    assert api.get(path, **{"If-None-Match": '"x"'}).status_code == 200
    assert api.get(path, **{"Range": "bytes=3-", "If-Range": etag}).status_code == 206
    # The file is another than the one whose beginning the client has: it gets the whole.
    other = api.get(path, **{"Range": "bytes=3-", "If-Range": '"x"'})
    assert other.status_code == 200 and body(other) == data
    longer = api.get(path, **{"Range": f"bytes={len(data) + 9}-", "If-Range": '"x"'})
    assert longer.status_code == 200 and body(longer) == data


@pytest.mark.parametrize(
    "path",
    [
        "/releases/2",
        "/releases/2/files/README.md",
        "/releases/1/files/nothing",
        "/releases/1/files/../1/README.md",
        "/releases/1/files/%2e%2e%2fREADME.md",
        "/releases/1/files/README.md/",
    ],
)
def test_what_is_not_there_answers_404(api: Api, file: tuple[str, bytes], path: str) -> None:
    assert api.get(path).status_code == 404


def test_an_erased_file_answers_410_and_names_its_successor(world: World, api: Api) -> None:
    release, _ = cut(world)
    successor, _ = cut(world)
    erased = release.files.get(name="README.md")
    release.files.filter(pk=erased.pk).update(erased_at=NOW, successor=successor)
    default_storage.delete(erased.storage_name)
    gone = api.get("/releases/1/files/README.md")
    assert gone.status_code == 410 and "Release 2 takes its place" in gone.json()["detail"]
    assert gone["Link"].endswith('/releases/2>; rel="successor-version"')
    manifest = api.get("/releases/1").json()
    assert manifest["card"] is None
    assert [file["name"] for file in manifest["files"] if file["erased"]] == ["README.md"]


@given(size=st.integers(1, 60), first=st.integers(0, 70), last=st.integers(0, 70) | st.none())
def test_a_range_is_what_slicing_would_give(size: int, first: int, last: int | None) -> None:
    data = bytes(range(size))
    header = f"bytes={first}-{'' if last is None else last}"
    if last is not None and last < first:
        assert requested_range(header, size) is None
    elif first >= size:
        with pytest.raises(RangeNotSatisfiable):
            requested_range(header, size)
    else:
        found = requested_range(header, size)
        assert found is not None
        assert data[found[0] : found[1] + 1] == data[first : None if last is None else last + 1]


# Who may


@pytest.mark.parametrize("role", ["annotator", "reviewer", "lead"])
def test_releases_are_for_engineers(world: World, role: str) -> None:
    cut(world)
    api = Api(world, world.member(role))
    for path in ("/releases", "/releases/1", "/releases/latest", "/releases/1/files/README.md"):
        assert api.get(path).status_code == 403, path
    assert api.post("/releases", {}).status_code == 403


def test_strangers_find_nothing(world: World) -> None:
    cut(world)
    elsewhere = make_world()
    stranger = Api(world, elsewhere.member("engineer"))
    for path in ("/releases", "/releases/1", "/releases/1/files/README.md"):
        assert stranger.get(path).status_code == 404, path
        anonymous = Client().get(stranger.base + path)
        assert anonymous.status_code == 401
    assert stranger.post("/releases", {}).status_code == 404


def test_who_still_judges_gets_no_file(world: World) -> None:
    """I13: the labels in it are answers of others."""
    cut(world)
    world.batch(items=1, overlap=1)
    both = world.member("annotator")
    both.user.memberships.create(
        project=world.project, role="engineer", pseudonym="p-both", created_at=world.now
    )
    api = Api(world, both)
    refused = api.get("/releases/1/files/README.md")
    assert refused.status_code == 403
    assert refused.json()["detail"] == api.get("/judgments").json()["detail"]
    judge_item(world, both, 1)
    assert api.get("/releases/1/files/README.md").status_code == 200


def test_cutting_takes_the_scope_manage(world: World) -> None:
    reader = Api(world, world.member("engineer"), scopes=["read"])
    assert reader.post("/releases", {}).status_code == 403
    assert reader.get("/releases").status_code == 200
