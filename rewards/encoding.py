"""From completions to the columns of a linear reward model, and back from storage.

``surface``: the features of ``rewards.features``, divided by the root mean square of their differences in
the training pairs. They are scaled but not centred: a shift would cancel in every difference anyway.
``tfidf_surface``: the same, beside TF-IDF of words (1–2) and of characters within words (3–5), whose
vocabulary and document frequencies come from the training completions only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from rewards.features import FEATURE_NAMES, surface_differences, surface_features
from rewards.pairs import PreferencePair

ModelKind = Literal["surface", "tfidf_surface"]
FloatArray = npt.NDArray[np.float64]

MODEL_KINDS: tuple[ModelKind, ...] = get_args(ModelKind)
MAX_TERMS = 30_000
# A term has an L2 norm of at most 1 over the whole text, a scaled surface feature one of about 1 each: the
# factor lets one penalty serve both blocks.
TERM_FACTOR = 2.0


@dataclass(frozen=True)
class Encoder:
    """Turns pairs and completions into rows of F columns: surface features first, then terms.

    ``scale`` has shape (S,). ``vectorizers`` is empty for ``surface``, else words and characters.
    """

    kind: ModelKind
    scale: FloatArray
    vectorizers: tuple[TfidfVectorizer, ...] = ()

    @property
    def column_names(self) -> list[str]:
        """F names; terms are written ``word:…`` and ``chars:…``."""
        names = list(FEATURE_NAMES)
        for prefix, vectorizer in zip(("word", "chars"), self.vectorizers, strict=False):
            names += [f"{prefix}:{term}" for term in vectorizer.get_feature_names_out()]
        return names

    def differences(self, pairs: Sequence[PreferencePair], surface: FloatArray | None = None) -> Any:
        """Encoded chosen − rejected, shape (P, F): a dense array for ``surface``, else a CSR array.

        ``surface``: the ``surface_differences`` of the same pairs, where the caller has them already.
        """
        surface = (surface_differences(pairs) if surface is None else surface) / self.scale
        if not self.vectorizers:
            return surface
        chosen, rejected = [pair.chosen for pair in pairs], [pair.rejected for pair in pairs]
        terms = [
            TERM_FACTOR * (vectorizer.transform(chosen) - vectorizer.transform(rejected))
            for vectorizer in self.vectorizers
        ]
        return sparse.csr_array(sparse.hstack([sparse.csr_array(surface), *terms]))

    def encode(self, prompt: str, completion: str) -> Any:
        """One completion, shape (1, F)."""
        surface = (surface_features(prompt, completion) / self.scale)[np.newaxis]
        if not self.vectorizers:
            return surface
        terms = [TERM_FACTOR * vectorizer.transform([completion]) for vectorizer in self.vectorizers]
        return sparse.csr_array(sparse.hstack([sparse.csr_array(surface), *terms]))

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """All that ``from_arrays`` needs, as plain arrays of numbers and text: no pickle."""
        arrays: dict[str, npt.NDArray[Any]] = {"scale": self.scale}
        for index, vectorizer in enumerate(self.vectorizers):
            arrays[f"terms_{index}"] = np.array(vectorizer.get_feature_names_out(), dtype=np.str_)
            arrays[f"idf_{index}"] = np.asarray(vectorizer.idf_)
        return arrays

    @classmethod
    def from_arrays(cls, kind: ModelKind, arrays: Mapping[str, npt.NDArray[Any]]) -> Encoder:
        vectorizers = []
        for index, vectorizer in enumerate(_new_vectorizers(kind)):
            vectorizer.set_params(vocabulary=arrays[f"terms_{index}"].tolist())
            vectorizer.idf_ = arrays[f"idf_{index}"]
            vectorizers.append(vectorizer)
        return cls(kind, np.asarray(arrays["scale"], np.float64), tuple(vectorizers))


def fit_encoder(kind: ModelKind, pairs: Sequence[PreferencePair], surface: FloatArray) -> Encoder:
    """An encoder fitted on the training pairs, whose ``surface_differences`` have shape (P, S).

    Raises ValueError for an unknown kind.
    """
    if kind not in MODEL_KINDS:
        raise ValueError(f"unknown model {kind!r}; there are {', '.join(MODEL_KINDS)}")
    scale = np.sqrt(np.mean(surface**2, axis=0))
    scale[scale == 0] = 1.0
    completions = [text for pair in pairs for text in (pair.chosen, pair.rejected)]
    vectorizers = _new_vectorizers(kind)
    for vectorizer in vectorizers:
        vectorizer.fit(completions)
    return Encoder(kind, scale, vectorizers)


def _new_vectorizers(kind: ModelKind) -> tuple[TfidfVectorizer, ...]:
    if kind == "surface":
        return ()
    return (
        TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, max_features=MAX_TERMS),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(3, 5), sublinear_tf=True, max_features=MAX_TERMS),
    )
