"""MACE on UKPConvArg1, as its authors ran it once: 84,445 votes of 3,815 people, three restarts of 500 iterations.

    python bench/mace.py

Needs the shared data (CONCORD_DATA, else ../shared/data). Wanted: 30 s. What comes out is held against the published
run in tests/golden/test_aggregation.py.
"""

import os
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
WANTED_SECONDS = 30.0


def main() -> None:
    sys.path.insert(0, str(ROOT))
    from comparisons.aggregation.mace import fit_mace
    from tests.golden.convarg import read_convarg

    data = Path(os.environ.get("CONCORD_DATA") or ROOT.parent / "shared" / "data")
    if not (data / "convarg").is_dir():
        sys.exit(f"The shared data is not at {data}; set CONCORD_DATA.")
    table = read_convarg(data).table
    started, used = time.perf_counter(), time.process_time()
    fit_mace(table, seed=1, method="em", restarts=3, max_iterations=500, tolerance=1e-12)
    seconds = time.perf_counter() - started
    print(
        f"MACE on {len(table):,} votes: {seconds:.1f} s, {time.process_time() - used:.1f} s of CPU "
        f"(wanted {WANTED_SECONDS:.0f} s): {'met' if seconds <= WANTED_SECONDS else 'MISSED'}"
    )


if __name__ == "__main__":
    main()
