"""Static files under hashed names, so that browsers may keep them for ever."""

import re
from collections.abc import Iterator
from typing import Any

from django.contrib.staticfiles.storage import HashedFilesMixin
from django.core.files.base import ContentFile
from django.core.files.storage import Storage
from whitenoise.storage import CompressedManifestStaticFilesStorage

_, IMPORTS = HashedFilesMixin._js_module_import_aggregation_patterns  # type: ignore[attr-defined]  # not in the stubs

OWN_SCRIPTS, OWN_STYLES = "js/", "css/"
LEFT_OUT = re.compile(r"^[ \t]*(/\*.*?\*/[ \t]*\n|\n)|^[ \t]+", re.MULTILINE | re.DOTALL)
COMMENT_LINE = re.compile(r"^[ \t]*//.*\n", re.MULTILINE)
STYLE_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


def stripped(script: str) -> str:
    """A script of ours without the lines that only comment and without indentation: a fifth of its weight. No text in
    our scripts spans lines (a test)."""
    return LEFT_OUT.sub("", COMMENT_LINE.sub("", script))


def stripped_style(style: str) -> str:
    """A style sheet of ours without comments and indentation: a tenth of its weight."""
    return LEFT_OUT.sub("", STYLE_COMMENT.sub("", style))


STRIPPED = {OWN_SCRIPTS: stripped, OWN_STYLES: stripped_style}


class Stripped:
    """The files of `storage` as they are served."""

    def __init__(self, storage: Storage) -> None:
        self.storage = storage

    def open(self, path: str) -> "ContentFile[bytes]":
        strip = STRIPPED[path.partition("/")[0] + "/"]
        with self.storage.open(path) as file:
            return ContentFile(strip(file.read().decode()).encode(), name=path)


class HashedStaticFilesStorage(CompressedManifestStaticFilesStorage):  # type: ignore[misc]  # untyped base
    """Hashed and compressed; `import … from "./x.js";` between our ES modules becomes the hashed name too.

    Only in `static/js`: vendored scripts have examples in comments that look like imports. Our own scripts and styles
    are served without comments and indentation.
    """

    support_js_module_import_aggregation = True
    _js_module_import_aggregation_patterns = (f"{OWN_SCRIPTS}*.js", IMPORTS)

    def post_process(self, paths: dict[str, Any], *args: Any, **kwargs: Any) -> Iterator[Any]:
        served = {
            name: (Stripped(storage) if name.startswith(tuple(STRIPPED)) else storage, path)
            for name, (storage, path) in paths.items()
        }
        yield from super().post_process(served, *args, **kwargs)
