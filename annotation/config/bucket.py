"""Files in a bucket of S3 or of a server that speaks its protocol; needs the extra `concord[s3]`."""

from collections.abc import Iterator
from contextlib import closing

from storages.backends.s3 import S3Storage

BLOCK = 1 << 18


class BucketStorage(S3Storage):  # type: ignore[misc]
    """django-storages' own, and ranges: its files fetch the whole object at the first byte that is read."""

    def read_range(self, name: str, first: int, last: int) -> Iterator[bytes]:
        """The bytes `first` to `last`, both included, in blocks; nothing else is fetched."""
        key = self._normalize_name(name)
        answer = self.bucket.Object(key).get(Range=f"bytes={first}-{last}")
        with closing(answer["Body"]) as body:
            yield from body.iter_chunks(BLOCK)
