"""Sending a file of a release: whole or a range of it, with what a client needs to check and resume it."""

import base64
import re
from collections.abc import Iterator

from django.core.files.storage import default_storage
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase

from exporters.models import ReleaseFile

BLOCK = 1 << 18
RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")
CONTENT_TYPES = {
    "parquet": "application/vnd.apache.parquet",
    "gz": "application/gzip",
    "jsonl": "application/x-ndjson",  # releases from before JSONL was compressed
    "md": "text/markdown; charset=utf-8",
    "json": "application/json",
}


class RangeNotSatisfiable(Exception):
    """The range begins behind the end of the file."""


def requested_range(header: str, size: int) -> tuple[int, int] | None:
    """(first, last) byte of a `Range` header for a file of `size` bytes; None when the whole is to be sent.

    A header that makes no sense, or names several ranges, is ignored, as RFC 9110 allows. Raises
    RangeNotSatisfiable when there is no byte in the range.
    """
    match = RANGE.fullmatch(header.strip())
    if match is None or match.groups() == ("", ""):
        return None
    start, end = match.groups()
    if not start:
        first, last = max(size - int(end), 0), size - 1
        if not int(end):
            raise RangeNotSatisfiable
    else:
        first, last = int(start), min(int(end), size - 1) if end else size - 1
        if end and int(end) < first:
            return None
    if first >= size:
        raise RangeNotSatisfiable
    return first, last


def file_response(request: HttpRequest, file: ReleaseFile) -> HttpResponseBase:
    """200, 206, 304 or 416 for the bytes of `file`, which have not been erased."""
    etag = f'"{file.sha256}"'
    headers = {
        "ETag": etag,
        "Accept-Ranges": "bytes",
        "Digest": f"sha-256={base64.b64encode(bytes.fromhex(file.sha256)).decode()}",
        "Cache-Control": "private, no-cache",
        "Content-Disposition": f'attachment; filename="{file.path}"',
    }
    if etag_matches(request.headers.get("If-None-Match", ""), etag):
        return HttpResponse(status=304, headers=headers)
    # The rest of another file is of no use to the client, whether or not this one has such a range.
    wants_rest = request.headers.get("If-Range", etag) == etag
    try:
        span = requested_range(request.headers.get("Range", "") if wants_rest else "", file.size)
    except RangeNotSatisfiable:
        return not_satisfiable(file, headers)
    first, last = span or (0, file.size - 1)
    if span:
        headers["Content-Range"] = f"bytes {first}-{last}/{file.size}"
    headers["Content-Length"] = str(last - first + 1)
    kind = CONTENT_TYPES.get(file.name.rsplit(".", 1)[-1], "text/plain; charset=utf-8")
    body = () if request.method == "HEAD" else blocks(file.storage_name, first, last)
    return StreamingHttpResponse(body, status=206 if span else 200, content_type=kind, headers=headers)


def not_satisfiable(file: ReleaseFile, headers: dict[str, str]) -> HttpResponse:
    body = {
        "type": "about:blank",
        "title": "Range not satisfiable",
        "status": 416,
        "detail": f"The file has {file.size} bytes; the range begins behind its end.",
        "errors": [],
    }
    del headers["Content-Disposition"], headers["Digest"]
    return JsonResponse(
        body,
        status=416,
        content_type="application/problem+json",
        headers=headers | {"Content-Range": f"bytes */{file.size}"},
    )


def etag_matches(header: str, etag: str) -> bool:
    """Whether an `If-None-Match` header names `etag` (weakly compared) or `*`."""
    tags = {tag.strip().removeprefix("W/") for tag in header.split(",")}
    return etag in tags or "*" in tags


def blocks(storage_name: str, first: int, last: int) -> Iterator[bytes]:
    left = last - first + 1
    for block in stored_blocks(storage_name, first, last):
        left -= len(block)
        yield block
    if left:
        raise OSError(f"{storage_name} is shorter than its row says")


def stored_blocks(storage_name: str, first: int, last: int) -> Iterator[bytes]:
    """The bytes of a span. A storage far away offers `read_range`, since to open a file there is to fetch all of it."""
    read_range = getattr(default_storage, "read_range", None)
    if read_range is not None:
        if first <= last:  # an empty file has no byte to ask for
            yield from read_range(storage_name, first, last)
        return
    left = last - first + 1
    with default_storage.open(storage_name, "rb") as file:
        file.seek(first)
        while left > 0 and (block := file.read(min(BLOCK, left))):
            left -= len(block)
            yield block
