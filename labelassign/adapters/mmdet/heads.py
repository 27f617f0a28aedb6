"""What is particular about each kind of head: how it is decoded, and how a decision enters its stock loss."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from mmdet.models.dense_heads import AnchorHead, ATSSHead, RTMDetHead, TOODHead
from mmdet.structures.bbox import distance2bbox
from torch import Tensor

from labelassign.adapters.encoding import centerness
from labelassign.adapters.handle import standing_in
from labelassign.adapters.mmdet.told import Told
from labelassign.structures import Predictions, Priors

Maps = Sequence[Tensor]


def flat(maps: Maps, channels: int) -> Tensor:
    """Maps of all levels `[B, A·C, H, W]` as `[B, N, C]`."""
    return torch.cat([each.permute(0, 2, 3, 1).reshape(len(each), -1, channels) for each in maps], 1)


class Anchored:
    """RetinaHead and all that keep the loss of AnchorHead: deltas of anchors, one assigner.

    Carried: positives, background, ignored anchors. The loss has no place for soft targets and weights.
    """

    takes: type = AnchorHead
    outputs = 2  # lists of maps
    ranks = False  # the loss reads `max_overlaps`, which are those of predictions; `get_targets` is given these

    def scores_are(self, head: Any) -> str:
        """As `Predictions` has it."""
        return "sigmoid_logits" if head.use_sigmoid_cls else "softmax_logits"

    def predictions(self, head: Any, outputs: Sequence[Maps], priors: Priors) -> Predictions:
        """What a head says of all anchors, decoded by its own coder."""
        with torch.no_grad():
            scores = flat(outputs[0], head.cls_out_channels)
            return Predictions(self.boxes(head, outputs[1], priors), scores, self.scores_are(head))

    def boxes(self, head: Any, maps: Maps, priors: Priors) -> Tensor:
        """The predicted boxes `[B, N, 4]`."""
        deltas = flat(maps, 4).float()
        boxes = head.bbox_coder.decode(priors.boxes.repeat(len(deltas), 1), deltas.flatten(0, 1))
        return getattr(boxes, "tensor", boxes).view_as(deltas)

    @contextmanager
    def under(self, head: Any, told: Told) -> Generator[None]:
        """Inside, the stock loss of the head follows the decision."""
        with standing_in(head, assigner=told):
            yield


class Centred(Anchored):
    """ATSSHead: centerness beside the classes, and the weight of the box loss."""

    takes = ATSSHead
    outputs = 3

    @contextmanager
    def under(self, head: Any, told: Told) -> Generator[None]:
        """Anchors outside of their object have centerness 0 (which is no number in the stock head)."""
        with standing_in(head, assigner=told, centerness_target=centerness):
            yield


class Distances(Anchored):
    """RTMDetHead: points and distances; soft class targets are the overlaps of predictions."""

    takes = RTMDetHead
    ranks = True

    def boxes(self, head: Any, maps: Maps, priors: Priors) -> Tensor:
        """The predicted boxes `[B, N, 4]`."""
        distances = flat(maps, 4)
        centre = (priors.boxes[:, :2] + priors.boxes[:, 2:]) / 2
        return distance2bbox(centre.expand(len(distances), -1, -1), distances)


class Aligned(Anchored):
    """TOODHead: soft class targets follow `quality` among an object's anchors, scaled to its highest overlap.

    Before the head's `initial_epoch` its loss takes hard ones, as it does without us.
    """

    takes = TOODHead
    ranks = True

    def scores_are(self, head: Any) -> str:
        """Probabilities."""
        return "probs"

    def boxes(self, head: Any, maps: Maps, priors: Priors) -> Tensor:
        """The predicted boxes `[B, N, 4]`, which the head gives in strides."""
        steps = zip(maps, head.prior_generator.strides, strict=True)
        return flat([each * step[0] for each, step in steps], 4)

    @contextmanager
    def under(self, head: Any, told: Told) -> Generator[None]:
        """Whichever of its two assigners the epoch asks for."""
        with standing_in(head, assigner=told, initial_assigner=told, alignment_assigner=told):
            yield
