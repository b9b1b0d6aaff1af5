"""α with 1,000 bootstrap resamples on a million judgments on one core, beside the `krippendorff` package.

    python bench/stats.py

The package is called for each resample on the drawn rows of `value_counts`; ten resamples are measured and the time
is extrapolated in the number of resamples only. With 101 values the package would need arrays of N·V² cells (14 GB
each), so there its own functions get blocks of units and the coincidences are added up: the same arithmetic. As this
is slow, it is done once for all levels, and a second peer makes the coincidences of each resample as a sparse product
and leaves the rest to the package.
"""

import os
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

for threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[threads] = "1"

import krippendorff  # noqa: E402
import numpy as np  # noqa: E402
from krippendorff import krippendorff as package  # noqa: E402
from scipy import sparse  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
JUDGMENTS = 1_000_000
RESAMPLES = 1000
MEASURED = 10
CELLS = 20_000_000
"""Above this many cells of N·V² the package gets its units in blocks,"""
BLOCK_CELLS = 200_000
"""which are quickest at about this size."""


def seven_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Three ratings on seven points for each item: units, annotators, values."""
    rng = np.random.default_rng(1)
    units = np.arange(JUDGMENTS) // 3
    truth = rng.integers(1, 8, size=units[-1] + 1)
    return units, np.arange(JUDGMENTS) % 3, np.clip(truth[units] + rng.integers(-2, 3, JUDGMENTS), 1, 7)


def hundred_points() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One to nine ratings from 0 to 100 for each item."""
    rng = np.random.default_rng(2)
    sizes = rng.integers(1, 10, size=JUDGMENTS // 5 + 2000)
    units = np.repeat(np.arange(len(sizes)), sizes)[:JUDGMENTS]
    people = np.concatenate([np.arange(size) for size in sizes])[:JUDGMENTS]
    truth = rng.normal(55, 20, size=len(sizes))
    return units, people, np.clip(np.rint(truth[units] + rng.normal(0, 15, len(units))), 0, 100).astype(int)


def package_alpha(counts: np.ndarray, domain: np.ndarray, level: str) -> float:
    """The package's α, in one call if its arrays fit and from its own parts if not."""
    width = counts.shape[1]
    if counts.size * width <= CELLS:
        return float(krippendorff.alpha(value_counts=counts, value_domain=domain, level_of_measurement=level))
    rows = max(1, BLOCK_CELLS // width**2)
    observed = sum(package._coincidences(counts[at : at + rows]) for at in range(0, len(counts), rows))
    return finished_alpha(observed, domain, level)


def finished_alpha(observed: np.ndarray, domain: np.ndarray, level: str) -> float:
    """α of a coincidence matrix by the package's functions."""
    n_v = observed.sum(axis=0)
    distances = package._distances(domain, package._distance_metric(level), n_v)
    return float(1 - (observed * distances).sum() / (package._random_coincidences(n_v) * distances).sum())


def timed(work: Callable[[], object]) -> tuple[float, object]:
    start = time.perf_counter()
    result = work()
    return time.perf_counter() - start, result


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def sparse_alpha(rows: sparse.csr_array, domain: np.ndarray, level: str) -> float:
    """The package's α with the coincidences of the units, shape (N, V), as one sparse product."""
    others = np.asarray(rows.sum(axis=1)).ravel() - 1
    scaled = rows.multiply(1 / others[:, np.newaxis]).tocsr()
    observed = (rows.T @ scaled).toarray() - np.diag(np.asarray(scaled.sum(axis=0)).ravel())
    return finished_alpha(observed, domain, level)


def resampling_seconds(rows: object, alpha: Callable[[object], float], count: int) -> float:
    """The time for all resamples, extrapolated from a few."""
    rng = np.random.default_rng(0)
    taken = 0.0
    for _ in range(count):
        drawn = rng.integers(rows.shape[0], size=rows.shape[0])
        taken += timed(lambda rows=rows, drawn=drawn: alpha(rows[drawn]))[0]
    return taken * RESAMPLES / count


def measure(ratings: tuple[np.ndarray, np.ndarray, np.ndarray], level: str) -> tuple:
    """Table, result, seconds for each, and the peak so far; before any peer runs, for that peak."""
    from comparisons.agreement import krippendorff_alpha, tabulate_ratings

    tabulating, table = timed(lambda: tabulate_ratings(*ratings))
    ours, result = timed(lambda: krippendorff_alpha(table, level=level, seed=0, n_resamples=RESAMPLES))
    return table, result, tabulating, ours, peak_mib()


def compare(
    name: str, level: str, wanted: int, measured: tuple, package_seconds: float | None
) -> float | None:
    """Print what was measured beside the peers and return the package's seconds; None if a goal is missed.

    ``package_seconds`` are those of an earlier level on the same table, to save the time.
    """
    table, result, tabulating, ours, peak = measured
    counts = table.counts[table.shared]
    apart = abs(result.value - package_alpha(counts, table.domain, level))
    theirs = package_seconds or resampling_seconds(
        counts, lambda rows: package_alpha(rows, table.domain, level), MEASURED
    )
    by_sparse = resampling_seconds(
        sparse.csr_array(counts, dtype=float), lambda rows: sparse_alpha(rows, table.domain, level), MEASURED
    )
    good = theirs / ours >= wanted and apart <= 1e-12
    print(
        f"{name}, {level}: {JUDGMENTS:,} judgments, {result.items:,} items, {RESAMPLES:,} resamples\n"
        f"  α {result.value:.6f} [{result.low:.6f}, {result.high:.6f}], {apart:.0e} from the package\n"
        f"  {ours:.2f} s (and {tabulating:.2f} s for the table), peak of the process {peak:.0f} MiB\n"
        f"  package {theirs:,.0f} s, {theirs / ours:,.0f} times as long (wanted {wanted})"
        f"{'' if good else '  MISSED'}\n"
        f"  package with a sparse product {by_sparse:,.0f} s, {by_sparse / ours:,.0f} times as long",
        flush=True,
    )
    return theirs if good else None


def main() -> None:
    sys.path.insert(0, str(ROOT))
    few, many = seven_points(), hundred_points()
    runs = [("3 ratings on 7 points", few, level, 100) for level in ("ordinal", "nominal")]
    runs += [("1–9 ratings from 0 to 100", many, level, 10) for level in ("interval", "ordinal")]
    measured = [measure(ratings, level) for _, ratings, level, _ in runs]
    missed = False
    by_ratings: dict[str, float | None] = {}
    for (name, _, level, wanted), own in zip(runs, measured, strict=True):
        by_ratings[name] = compare(name, level, wanted, own, by_ratings.get(name))
        missed |= by_ratings[name] is None
    if missed:
        sys.exit(1)


if __name__ == "__main__":
    main()
