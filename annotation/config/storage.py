"""Static files under hashed names, so that browsers may keep them for ever."""

from collections.abc import Iterator
from typing import Any

import minify
from django.contrib.staticfiles.storage import HashedFilesMixin
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

_, IMPORTS = HashedFilesMixin._js_module_import_aggregation_patterns  # type: ignore[attr-defined]  # not in the stubs

OWN_SCRIPTS = "js/"
MEDIA_TYPES = {OWN_SCRIPTS: "application/javascript", "css/": "text/css"}
"""Of the scripts and styles that are ours, by folder."""


def minified(path: str, source: str) -> str:
    """A script or style of ours without what only its readers need: comments, white space, long local names."""
    return str(minify.string(MEDIA_TYPES[path.partition("/")[0] + "/"], source))


class Minified:
    """The files of `storage` as they are served."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def open(self, path: str) -> "ContentFile[bytes]":
        with self.storage.open(path) as file:
            return ContentFile(minified(path, file.read().decode()).encode(), name=path)


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base
    """Hashed and compressed; `import … from "./x.js";` between our ES modules becomes the hashed name too.

    Only in `static/js`: vendored scripts have examples in comments that look like imports. Our own scripts and styles
    are served minified.
    """

    support_js_module_import_aggregation = True
    _js_module_import_aggregation_patterns = (f"{OWN_SCRIPTS}*.js", IMPORTS)

    def post_process(self, paths: dict[str, Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        served = {
            name: (Minified(storage) if name.startswith(tuple(MEDIA_TYPES)) else storage, path)
            for name, (storage, path) in paths.items()
        }
        yield from super().post_process(served, *args, **kwargs)
