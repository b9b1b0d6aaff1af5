"""Static files under hashed names, so that browsers may keep them for ever."""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.staticfiles.storage import HashedFilesMixin
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

_, IMPORTS = HashedFilesMixin._js_module_import_aggregation_patterns  # type: ignore[attr-defined]  # not in the stubs

OWN_SCRIPTS = "js/"
LEFT_OUT = re.compile(r"^[ \t]*(/\*.*?\*/[ \t]*\n|\n)|^[ \t]+", re.MULTILINE | re.DOTALL)
COMMENT_LINE = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)


def stripped(script: str) -> str:
    """A script of ours without the lines that only comment and without indentation: a fifth of its weight. No text in
    our scripts spans lines (a test)."""
    return LEFT_OUT.sub("", COMMENT_LINE.sub("", script))


class StrippedScripts:
    """The files of `storage` as they are served."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def open(self, path: str) -> "ContentFile[bytes]":
        with self.storage.open(path) as file:
            return ContentFile(stripped(file.read().decode()).encode(), name=path)


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base
    """Hashed and compressed; `import … from "./x.js";` between our ES modules becomes the hashed name too.

    Only in `static/js`, where comments and indentation are left out as well: vendored scripts have examples in
    comments that look like imports.
    """

    support_js_module_import_aggregation = True
    _js_module_import_aggregation_patterns = (f"{OWN_SCRIPTS}*.js", IMPORTS)

    def post_process(self, paths: dict[str, Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        served = {
            name: (StrippedScripts(storage) if name.startswith(OWN_SCRIPTS) else storage, path)
            for name, (storage, path) in paths.items()
        }
        yield from super().post_process(served, *args, **kwargs)
