"""The record of one network's dense predictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Float
from torch import Tensor

from labelassign import checks
from labelassign.structures import levels
from labelassign.structures.arrays import as_tensor
from labelassign.structures.priors import Priors
from labelassign.structures.record import Record

SCORES_ARE = ("sigmoid_logits", "softmax_logits", "probs")


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class Predictions(Record):
    """Decoded boxes and class scores of one network for all priors of a batch.

    Any floating dtype; nothing is cast or copied as a whole, assigners upcast the rows that they read. Values may be
    NaN or infinite: such a prediction never wins an object.

    Attributes:
        boxes: decoded, xyxy in pixels `[B, N, 4]`, or rotated `[B, N, 5]`, see `GroundTruth`.
        scores: class scores `[B, N, C]`. With "softmax_logits" the last column means "no object".
        scores_are: "sigmoid_logits", "softmax_logits" or "probs" (already in 0..1, one per class).
        objectness: `[B, N]`, in the same form as the scores, or None. Only methods that define a use for it read it.
        level_sizes: the layout that `from_levels` saw, checked against the priors; None if unknown.

    Raises:
        ValueError, TypeError: shapes, dtypes or devices that do not fit, naming the field.

    Example:
        >>> p = la.Predictions(torch.rand(2, 400, 4), torch.randn(2, 400, 80))
        >>> p.num_classes, p.scores_are
        (80, 'sigmoid_logits')
    """

    boxes: Float[Tensor, "B N 4"] | Float[Tensor, "B N 5"]
    scores: Float[Tensor, "B N C"]
    scores_are: str = "sigmoid_logits"
    objectness: Float[Tensor, "B N"] | None = None
    level_sizes: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        """Check shapes, dtypes and devices; never values."""
        who = "Predictions"
        checks.boxes(who, "boxes", self.boxes, ("B", "N"), "floating")
        b, n = self.boxes.shape[0], self.boxes.shape[1]
        checks.tensor(who, "scores", self.scores, (b, n, "C"), "floating")
        checks.choice(who, "scores_are", self.scores_are, SCORES_ARE)
        if self.objectness is not None:
            checks.tensor(who, "objectness", self.objectness, (b, n), "floating")
        named = (("boxes", self.boxes), ("scores", self.scores), ("objectness", self.objectness))
        checks.same_device(who, named)

    @property
    def num_classes(self) -> int:
        """C: classes that an object can have (a softmax head's "no object" column is not one)."""
        return self.scores.shape[2] - (self.scores_are == "softmax_logits")

    @classmethod
    def from_arrays(cls, boxes: Any, *, logits: Any = None, probs: Any = None) -> Self:
        """From arrays of any DLPack library: boxes `[B, N, 4]` and either logits or probabilities `[B, N, C]`."""
        who = cls.__name__
        if (logits is None) == (probs is None):
            checks.fail(who, "either `logits` or `probs`", "both" if probs is not None else "neither", "Give one.")
        if logits is None:
            return cls(as_tensor(who, "boxes", boxes), as_tensor(who, "probs", probs), "probs")
        return cls(as_tensor(who, "boxes", boxes), as_tensor(who, "logits", logits))

    @classmethod
    def from_levels(
        cls,
        scores: Sequence[Tensor],
        deltas: Sequence[Tensor],
        priors: Priors,
        *,
        coder: Any = None,
        scores_are: str = "sigmoid_logits",
        objectness: Sequence[Tensor] | None = None,
    ) -> Self:
        """From a dense head's outputs, level by level in NCHW.

        Arguments:
            scores: per level `[B, A·C, H, W]`, A = `priors.per_cell` anchors per cell, class fastest.
            deltas: per level `[B, A·D, H, W]`.
            priors: the grid they belong to; cells and anchors per cell must agree.
            coder: what turns `[B, N, D]` into boxes, with a method `decode(priors, deltas)`: `DeltaCoder`,
                `LTRBCoder`, `DFLCoder` or your own. None: the deltas are boxes already.
            scores_are: see the class.
            objectness: per level `[B, A, H, W]`, or None.
        """
        who = "Predictions.from_levels"
        flat_scores = levels.flatten(who, "scores", scores, priors)
        flat_deltas = levels.flatten(who, "deltas", deltas, priors)
        extra = None if objectness is None else levels.flatten(who, "objectness", objectness, priors).squeeze(-1)
        boxes = flat_deltas if coder is None else coder.decode(priors, flat_deltas)
        return cls(boxes, flat_scores, scores_are, extra, priors.level_sizes)

    @classmethod
    def from_cxcywh(
        cls, boxes: Tensor, scores: Tensor, image_sizes: Any, *, scores_are: str = "softmax_logits"
    ) -> Self:
        """From a set-prediction head: normalised (cx, cy, w, h) `[B, N, 4]` and image sizes `[B, 2]` (h, w).

        The boxes become float32: in half precision a pixel of a large image would be lost.
        """
        who = "Predictions.from_cxcywh"
        checks.tensor(who, "boxes", boxes, ("B", "N", 4), "floating")
        sizes = as_tensor(who, "image_sizes", image_sizes, torch.float32).to(boxes.device)
        checks.tensor(who, "image_sizes", sizes, (boxes.shape[0], 2), "floating")
        centre, half = boxes[..., :2].float(), boxes[..., 2:].float() / 2
        xyxy = torch.cat([centre - half, centre + half], -1)
        return cls(xyxy * sizes.flip(-1).repeat(1, 2)[:, None, :], scores, scores_are)
