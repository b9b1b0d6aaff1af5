"""What pages weigh: the scripts and styles that an instance serves, and which of them a page needs."""

import re
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import call_command
from django.test import override_settings

from annotation.runtime.prepared import UNUSED_STATIC


@pytest.fixture(scope="module")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of static files as an instance serves them."""
    folder = tmp_path_factory.mktemp("static")
    storages = settings.STORAGES | {
        "staticfiles": {"BACKEND": "annotation.config.storage.HashedStaticFilesStorage"}
    }
    with override_settings(STATIC_ROOT=folder, STORAGES=storages):
        call_command("collectstatic", interactive=False, verbosity=0, ignore_patterns=UNUSED_STATIC)
    return folder


def gzipped(files: set[Path]) -> int:
    """Bytes over the wire of these files. What would gain nothing (a few lines) goes as it is."""
    packed = [(file, file.with_name(f"{file.name}.gz")) for file in files]
    return sum((gz if gz.exists() else file).stat().st_size for file, gz in packed)


def loaded(page: str, kind: str, collected: Path) -> set[Path]:
    """Concord's own files of a kind that the page asks for, with every module that a script imports in turn."""
    there_are = {file.name.split(".")[0]: file for file in (collected / kind).glob(f"*.*.{kind}")}
    files: set[Path] = set()
    waiting = re.findall(rf'"/static/{kind}/([a-z_]+)\.{kind}"', page)
    while waiting:
        file = there_are[waiting.pop()]
        if file not in files:
            files.add(file)
            waiting += re.findall(r'from ?"\./([a-z_]+)\.', file.read_text())
    return files
