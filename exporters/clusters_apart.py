"""Clusters of prompts by a process of its own: it works while this one reads judgments. No Django.

Lines of JSON go in, `[id, messages]` for each prompt; out come the lowest ids of their clusters, 8 bytes each, as
`oldest_of_clusters` gives them.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from tempfile import gettempdir

import numpy as np
import orjson

from exporters.clusters import Numbers, oldest_of_clusters, plain_text


def oldest_of_clusters_apart(prompts: Iterable[tuple[int, str]]) -> Numbers:
    """For each of `prompts` (id, messages as JSON), in their order, the lowest id in its cluster.

    Raises ChildProcessError where the process ends badly, as when the machine has no memory left for it.
    """
    with subprocess.Popen(
        [sys.executable, "-m", __name__],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        # Without the secrets of this one's environment: it only counts words.
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "TMPDIR": gettempdir()},
    ) as process:
        assert process.stdin is not None and process.stdout is not None  # noqa: S101  (for mypy: they are pipes)
        try:
            with process.stdin as pipe:
                pipe.writelines(b"[%d,%s]\n" % (pk, messages.encode()) for pk, messages in prompts)
            oldest = process.stdout.read()
        except BrokenPipeError:
            oldest = b""
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise ChildProcessError(f"The process that clusters prompts ended with {process.returncode}.")
    return np.frombuffer(oldest, dtype=np.int64)


def main() -> None:
    lines = map(orjson.loads, sys.stdin.buffer)
    _, oldest = oldest_of_clusters((pk, plain_text(messages)) for pk, messages in lines)
    sys.stdout.buffer.write(oldest.tobytes())


if __name__ == "__main__":
    main()
