"""Reward models as bytes: an npz archive of numbers and text, read without pickle."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from rewards.encoding import MODEL_KINDS, Encoder
from rewards.features import FEATURE_NAMES
from rewards.training import LOSSES, TrainedModel

FORMAT = 1


def dump_model(model: TrainedModel) -> bytes:
    """The model as an npz archive; the same model gives the same bytes."""
    buffer = io.BytesIO()
    arrays: dict[str, Any] = {
        "format": np.array(FORMAT),
        "kind": np.array(model.kind),
        "loss": np.array(model.loss),
        "features": np.array(FEATURE_NAMES),
        "weights": model.weights,
        "c": np.array(model.c),
        "seed": np.array(model.seed),
        "converged": np.array(model.converged),
        "n_pairs": np.array(model.n_pairs),
        "n_prompts": np.array(model.n_prompts),
        **model.encoder.to_arrays(),
    }
    np.savez_compressed(buffer, allow_pickle=False, **arrays)
    return buffer.getvalue()


def load_model(data: bytes) -> TrainedModel:
    """The model that ``dump_model`` wrote.

    Raises ValueError if it was trained with other features or is of another format. A model scores with
    the features of the code that reads it, so weights for renamed, added or removed ones mean nothing.
    """
    with np.load(io.BytesIO(data), allow_pickle=False) as stored:
        arrays = dict(stored)
    if int(arrays["format"]) != FORMAT or tuple(arrays["features"].tolist()) != FEATURE_NAMES:
        raise ValueError("this reward model was trained with other features; train it again")
    kind, loss = str(arrays["kind"]), str(arrays["loss"])
    if kind not in MODEL_KINDS or loss not in LOSSES:
        raise ValueError(f"unknown reward model {kind!r} with loss {loss!r}")
    return TrainedModel(
        encoder=Encoder.from_arrays(kind, arrays),
        weights=arrays["weights"],
        loss=loss,
        c=float(arrays["c"]),
        seed=int(arrays["seed"]),
        converged=bool(arrays["converged"]),
        n_pairs=int(arrays["n_pairs"]),
        n_prompts=int(arrays["n_prompts"]),
    )
