"""How long near-duplicate clusters of many prompts take, on one core.

    OMP_NUM_THREADS=1 python bench/clusters.py [--prompts 100000] [--characters 300] [--near 0.2]

Prompts are made of words drawn with the frequencies of a language (Zipf); the share `--near` of them repeats an
earlier one with one word changed.
"""

import argparse
import random
import resource
import time
from itertools import accumulate

from exporters.clusters import oldest_of_clusters, plain_text

WORDS = 30_000


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure near-duplicate clusters.")
    parser.add_argument("--prompts", type=int, default=100_000)
    parser.add_argument("--characters", type=int, default=300)
    parser.add_argument("--near", type=float, default=0.2)
    given = parser.parse_args()
    prompts = made_up(given.prompts, given.characters, given.near)
    length = sum(map(len, prompts)) / len(prompts)
    start = time.perf_counter()
    messages = ([{"role": "user", "content": text}] for text in prompts)
    _, oldest = oldest_of_clusters((pk, plain_text(message)) for pk, message in enumerate(messages))
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"{len(prompts):,} prompts of {length:.0f} characters: {seconds:.1f} s, "
        f"{len(set(oldest.tolist())):,} clusters, peak {peak:.0f} MiB"
    )


def made_up(count: int, characters: int, near: float) -> list[str]:
    draw = random.Random(0)
    letters = "etaoinshrdlucmfwypvbgkjqxz"
    words = ["".join(draw.choices(letters, k=draw.randint(2, 9))) for _ in range(WORDS)]
    weights = list(accumulate(1 / rank for rank in range(1, WORDS + 1)))
    prompts: list[str] = []
    for _ in range(count):
        if prompts and draw.random() < near:
            changed = draw.choice(prompts).split()
            changed[draw.randrange(len(changed))] = draw.choice(words)
        else:
            changed = draw.choices(words, cum_weights=weights, k=characters * 2 // 13)
        prompts.append(" ".join(changed))
    return prompts


if __name__ == "__main__":
    main()
