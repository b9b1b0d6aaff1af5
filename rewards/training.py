"""Bradley–Terry reward models that are linear in the features of a completion.

The probability that completion a is preferred to b is 1 / (1 + exp(−(s_a − s_b))) with the score
s = w·x (R. A. Bradley and M. E. Terry, *Rank Analysis of Incomplete Block Designs*, Biometrika 39, 1952), so
fitting it is logistic regression on feature differences without an intercept. An intercept would reward a
side of the pair; without it, swapping the sides flips every prediction.

The loss is ``bradley_terry`` (logistic) or ``hinge`` (a linear support vector machine, which gives up on
pairs that it ranks right by a margin of 1). Both carry an L2 penalty whose strength is chosen by
cross-validation inside the training part, with all pairs of a prompt in one fold.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from rewards.encoding import Encoder, ModelKind, fit_encoder
from rewards.features import surface_differences
from rewards.pairs import PreferencePair, prompt_groups

Loss = Literal["bradley_terry", "hinge"]
FloatArray = npt.NDArray[np.float64]

LOSSES: tuple[Loss, ...] = get_args(Loss)
# Inverse strengths of the L2 penalty, from strong to weak.
C_GRID = (0.003, 0.01, 0.03, 0.1, 0.3, 1.0)
FOLDS = 5
MIN_PROMPTS = 10
MAX_ITERATIONS = 5000
# Stopping tolerance of the dual solver: ten times as strict as liblinear's own default for this loss.
HINGE_TOLERANCE = 0.01


class TooFewPairs(ValueError):
    """The training part cannot carry a model. ``str()`` is a sentence for people."""


@dataclass(frozen=True)
class TrainedModel:
    """A linear scorer with the parameters that made it.

    ``weights`` has shape (F,), one for each column of the encoder. ``c`` is the chosen inverse penalty;
    ``converged`` is False if the solver stopped at its limit of iterations.
    """

    encoder: Encoder
    weights: FloatArray
    loss: Loss
    c: float
    seed: int
    converged: bool
    n_pairs: int
    n_prompts: int

    @property
    def kind(self) -> ModelKind:
        return self.encoder.kind

    def margins(self, pairs: Sequence[PreferencePair]) -> FloatArray:
        """Score of chosen minus score of rejected, shape (P,); above 0 where the model agrees."""
        return np.asarray(self.encoder.differences(pairs) @ self.weights)

    def score(self, prompt: str, completion: str) -> float:
        """The reward of one completion, unbounded; only differences within a prompt mean anything."""
        return float((self.encoder.encode(prompt, completion) @ self.weights)[0])


def train_model(
    pairs: Sequence[PreferencePair],
    *,
    kind: ModelKind = "surface",
    loss: Loss = "bradley_terry",
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> TrainedModel:
    """Fit a reward model on the training pairs; nothing else is looked at.

    ``tick`` is called now and then while it works. Raises TooFewPairs with pairs from fewer than ten prompts,
    or if the two sides never differ in any feature; ValueError for an unknown kind or loss.
    """
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}; there are {', '.join(LOSSES)}")
    groups = prompt_groups(pairs)
    n_prompts = len(np.unique(groups))
    if n_prompts < MIN_PROMPTS:
        raise TooFewPairs(f"Needs training pairs from {MIN_PROMPTS} prompts, has {n_prompts}.")
    surface = surface_differences(pairs, tick=tick)
    encoder = fit_encoder(kind, pairs, surface)
    tick()
    differences = encoder.differences(pairs, surface)
    return fit_weights(encoder, differences, groups, loss=loss, seed=seed, tick=tick)


def fit_weights(
    encoder: Encoder,
    differences: Any,
    groups: npt.NDArray[np.int64],
    *,
    loss: Loss,
    seed: int,
    tick: Callable[[], None] = lambda: None,
) -> TrainedModel:
    """``differences``: encoded chosen − rejected, shape (P, F), dense or sparse; ``groups``: shape (P,)."""
    if not abs(differences).sum() > 0:
        raise TooFewPairs("The two completions never differ in any feature, so there is nothing to learn.")
    c = _choose_c(differences, groups, loss, seed, tick)
    weights, converged = _fit(differences, c, loss, seed)
    n_prompts = len(np.unique(groups))
    return TrainedModel(encoder, weights, loss, c, seed, converged, differences.shape[0], n_prompts)


def _choose_c(
    differences: Any, groups: npt.NDArray[np.int64], loss: Loss, seed: int, tick: Callable[[], None]
) -> float:
    """Weakens the penalty step by step for as long as the held-out loss falls.

    The held-out loss has one valley along the path of the penalty, and the fits beyond it are the slow ones.
    """
    folds = min(FOLDS, len(np.unique(groups)))
    splitter = GroupKFold(n_splits=folds, shuffle=True, random_state=seed)
    parts = list(splitter.split(differences, groups=groups))
    best, least = C_GRID[0], np.inf
    for c in C_GRID:
        held_out = 0.0
        for rows, out in parts:
            weights, _ = _fit(differences[rows], c, loss, seed)
            held_out += float(_pair_losses(differences[out] @ weights, loss).sum())
            tick()
        if held_out >= least:
            break
        best, least = c, held_out
    return best


def _pair_losses(margins: FloatArray, loss: Loss) -> FloatArray:
    if loss == "bradley_terry":
        return np.logaddexp(0.0, -margins)
    return np.maximum(0.0, 1.0 - margins)


def _fit(differences: Any, c: float, loss: Loss, seed: int) -> tuple[FloatArray, bool]:
    """Weights of shape (F,), and whether the solver converged.

    Half of the pairs, drawn by seed, are shown with the sides swapped. The penalised loss has no intercept,
    so this changes no optimum; it gives the solvers the two classes that they insist on.
    """
    n_pairs = differences.shape[0]
    sides = np.random.default_rng(seed).permutation(np.where(np.arange(n_pairs) % 2, 1.0, -1.0))
    is_sparse = sparse.issparse(differences)
    if loss == "bradley_terry":
        # Newton steps invert an F × F matrix: by far the fastest for a few columns, hopeless for many.
        solver = "lbfgs" if is_sparse else "newton-cholesky"
        model: Any = LogisticRegression(C=c, fit_intercept=False, max_iter=MAX_ITERATIONS, solver=solver)
    else:
        model = LinearSVC(
            C=c,
            loss="hinge",
            dual=True,
            fit_intercept=False,
            tol=HINGE_TOLERANCE,
            max_iter=MAX_ITERATIONS,
            random_state=seed,
        )
    column = sides[:, np.newaxis]
    shown = differences.multiply(column).tocsr() if is_sparse else differences * column
    # Threads of the linear algebra spin against each other on vectors this small: one is eight times as fast.
    with warnings.catch_warnings(), threadpool_limits(1):
        # Reported as `converged` instead.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(shown, sides)
    return np.asarray(model.coef_[0], np.float64), bool(np.max(model.n_iter_) < MAX_ITERATIONS)
