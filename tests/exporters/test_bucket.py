"""Release files in a bucket of a real S3-compatible server on loopback: the same answers as from a folder."""

import hashlib
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import default_storage
from moto.server import ThreadedMotoServer
from pytest_django.fixtures import Settings

from annotation.config import settings as our_settings
from exporters.models import ReleaseFile
from tests.exporters.releases import cut, judged_world
from tests.exporters.test_api import Api
from tests.factories import NOW, World

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning"),
]

NAME = "train-00000-of-00001.parquet"


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch, settings: Settings) -> Iterator[Any]:
    """The bucket that the settings name, as its server sees it."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test-secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
        ("CONCORD_S3_BUCKET", "releases"),
        ("CONCORD_S3_ENDPOINT", f"http://{host}:{port}"),
        ("CONCORD_S3_PREFIX", "concord"),
    ):
        monkeypatch.setenv(name, value)
    there = boto3.resource("s3", endpoint_url=f"http://{host}:{port}").Bucket("releases")
    there.create()
    there.objects.all().delete()  # servers of one process share what they hold
    settings.STORAGES = settings.STORAGES | {"default": our_settings._file_storage()}
    try:
        yield there
    finally:
        server.stop()


@pytest.fixture
def world() -> World:
    return judged_world([[-2, 2, 1, 1]])


@pytest.fixture
def api(world: World) -> Api:
    return Api(world, world.member("engineer"))


def ranges_fetched() -> list[str | None]:
    """Note the range of every object that is fetched from now on; None for a whole one."""
    found: list[str | None] = []
    client = default_storage.connection.meta.client  # type: ignore[attr-defined]
    client.meta.events.register(
        "provide-client-params.s3.GetObject", lambda params, **_: found.append(params.get("Range"))
    )
    return found


def body_of(response: Any) -> bytes:
    return b"".join(response.streaming_content)


def test_a_release_lies_in_the_bucket_and_streams_from_it(bucket: Any, world: World, api: Api) -> None:
    release, job = cut(world, {"split": {"train": 1}})
    assert release.state == "frozen", job.error
    keys = {each.key for each in bucket.objects.all()}
    assert keys == {f"concord/{file.storage_name}" for file in release.files.all()}
    for file in release.files.all():
        answer = api.get(f"/releases/1/files/{file.name}")
        content = body_of(answer)
        assert hashlib.sha256(content).hexdigest() == file.sha256 == answer["ETag"].strip('"')
        assert answer["Content-Length"] == str(file.size)
    assert api.get("/releases/1").json()["card"].startswith("---\npretty_name:")


def test_a_range_fetches_no_more_than_the_range(bucket: Any, world: World, api: Api) -> None:
    release, _ = cut(world, {"split": {"train": 1}})
    file = release.files.get(name=NAME)
    whole = body_of(api.get(f"/releases/1/files/{NAME}"))
    fetched = ranges_fetched()
    part = api.get(f"/releases/1/files/{NAME}", Range="bytes=100-299")
    assert (part.status_code, part["Content-Range"]) == (206, f"bytes 100-299/{file.size}")
    assert body_of(part) == whole[100:300]
    rest = api.get(f"/releases/1/files/{NAME}", **{"Range": "bytes=-7", "If-Range": part["ETag"]})
    assert body_of(rest) == whole[-7:]
    assert fetched == ["bytes=100-299", f"bytes={file.size - 7}-{file.size - 1}"]
    # What has no body fetches nothing.
    assert api.get(f"/releases/1/files/{NAME}", **{"If-None-Match": part["ETag"]}).status_code == 304
    assert api.get(f"/releases/1/files/{NAME}", Range=f"bytes={file.size}-").status_code == 416
    assert len(fetched) == 2
    # The control: opening the file, as the code for a folder does, fetches the whole for one byte.
    with default_storage.open(file.storage_name, "rb") as opened:
        opened.seek(100)
        opened.read(1)
    assert fetched[2:] == [None]


def test_an_object_that_is_too_short_is_an_error_not_an_answer(bucket: Any, world: World, api: Api) -> None:
    release, _ = cut(world, {"split": {"train": 1}})
    file = release.files.get(name=NAME)
    bucket.put_object(Key=f"concord/{file.storage_name}", Body=b"x" * 50)
    with pytest.raises(OSError, match="is shorter than its row says"):
        body_of(api.get(f"/releases/1/files/{NAME}", Range="bytes=10-99"))


def test_erased_files_answer_410_and_a_failed_cut_leaves_nothing(bucket: Any, world: World, api: Api) -> None:
    release, _ = cut(world, {"split": {"train": 1}})
    file = release.files.get(name=NAME)
    default_storage.delete(file.storage_name)
    ReleaseFile.objects.filter(pk=file.pk).update(erased_at=NOW)
    assert f"concord/{file.storage_name}" not in {each.key for each in bucket.objects.all()}
    assert api.get(f"/releases/1/files/{NAME}").status_code == 410
    before = {each.key for each in bucket.objects.all()}
    # The second format has nothing to hold, after the files of the first were stored.
    failed, _ = cut(world, {"formats": ["preference", "ratings"]})
    assert failed.state == "failed"
    assert {each.key for each in bucket.objects.all()} == before


def test_without_the_packages_the_settings_say_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONCORD_S3_BUCKET", "releases")
    monkeypatch.setattr(our_settings, "find_spec", lambda name: None)
    with pytest.raises(ImproperlyConfigured, match=r"concord\[s3\]"):
        our_settings._file_storage()
