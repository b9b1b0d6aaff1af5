"""The default reward run on real pairs, beside the floor measured in the same run.

    python bench/reward_surface.py

A run = features of all pairs, the choice of C by grouped cross-validation, the fit, and the scores of the test
part. The floor is one bare fit of scikit-learn's logistic regression on the finished feature differences. Needs
the shared data (CONCORD_DATA, else ../shared/data).
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
RUNS = 5


def seconds(work: Callable[[], object]) -> float:
    """Median of a few runs, wall clock."""
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return statistics.median(taken)


def main() -> None:
    sys.path.insert(0, str(ROOT))
    import numpy as np
    from sklearn.linear_model import LogisticRegression

    from rewards.features import surface_differences
    from rewards.pairs import split_by_prompt
    from rewards.training import train_model
    from tests.rewards.pairs import hh_pairs

    data = Path(os.environ.get("CONCORD_DATA") or ROOT.parent / "shared" / "data")
    if not data.is_dir():
        print(f"skipped: there is no shared data at {data}")
        return
    pairs = hh_pairs(data)
    train, test = split_by_prompt(pairs, seed=0)

    def run() -> object:
        return train_model([pairs[i] for i in train], seed=0).margins([pairs[i] for i in test])

    differences = surface_differences([pairs[i] for i in train])
    scaled = differences / np.maximum(differences.std(axis=0), 1e-9)
    rows = np.concatenate([scaled, -scaled])
    labels = np.repeat([1, 0], len(scaled))
    floor = seconds(lambda: LogisticRegression(fit_intercept=False).fit(rows, labels))
    whole = seconds(run)
    print(
        f"{len(pairs)} pairs: run {whole:.2f} s, one bare fit {floor:.3f} s, {whole / floor:.0f} times the floor"
    )


if __name__ == "__main__":
    main()
