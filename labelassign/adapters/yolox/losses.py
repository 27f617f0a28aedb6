"""The losses of one head, told what a whole batch learns."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.adapters.anchors import Anchors
from labelassign.adapters.encoding import corners, overlap_at, owned
from labelassign.adapters.handle import Handle, standing_in
from labelassign.adapters.yolox.encoding import Matches, matches
from labelassign.structures import Assignment, GroundTruth, Predictions, Priors


class Losing:
    """Stands in for `get_losses` of one head."""

    def __init__(self, handle: Handle, scale: float) -> None:
        """Of that handle's model."""
        self.handle, self.scale, self.anchors = handle, scale, Anchors(handle.who)

    def __call__(
        self,
        imgs: Tensor,
        xs: list[Tensor],
        ys: list[Tensor],
        steps: list[Tensor],
        labels: Tensor,
        *rest: Any,
        **more: Any,
    ) -> tuple[Any, ...]:
        """The losses of a batch, as the head gives them."""
        handle, head, outputs = self.handle, self.handle.model.head, rest[0]
        priors = self._priors(xs, ys, steps, imgs)
        boxes = corners(labels[..., 1:5].float())
        gt = GroundTruth.from_padded(boxes, labels[..., 0].long(), labels.sum(dim=2) > 0)
        mine, theirs, asked = _opinion(outputs, "sigmoid_logits"), None, None
        if handle.teacher is not None:
            with handle.teacher.at_work() as teacher:
                theirs, asked = self._listen(teacher, imgs, labels)
            counts = {"model": priors.count, "teacher": theirs.boxes.shape[1]}
            checks.equal(handle.who, "number of points", counts, "Give both the same strides.")
        a = handle.decide(priors, gt, mine if "predictions" in handle.assigner.needs else None, theirs)
        found = _losses(head, (imgs, xs, ys, steps, labels, *rest), more, _told(a, gt, mine.boxes))
        if handle.teacher is None or theirs is None or asked is None:
            return found
        its = _losses(handle.teacher.module.head, *asked, _told(a, gt, theirs.boxes))
        return (found[0] + its[0], *found[1:])

    def _priors(self, xs: list[Tensor], ys: list[Tensor], steps: list[Tensor], imgs: Tensor) -> Priors:
        def make() -> Priors:
            stride = torch.cat(steps, 1)[0]
            centre = (torch.stack([torch.cat(xs, 1)[0], torch.cat(ys, 1)[0]], 1) + 0.5) * stride[:, None]
            half = self.scale / 2 * stride[:, None]
            return Priors(torch.cat([centre - half, centre + half], 1).float(), sizes, stride.float())

        sizes = tuple(each.shape[1] for each in steps)
        return self.anchors.kept((tuple(imgs.shape[-2:]), sizes, imgs.device), make)

    def _listen(
        self, teacher: Any, imgs: Tensor, labels: Tensor
    ) -> tuple[Predictions, tuple[tuple[Any, ...], dict[str, Any]] | None]:
        """What the second network says, and what its own losses are to be asked with if it trains."""
        maps = teacher.backbone(imgs)
        if not teacher.training:
            return _opinion(teacher.head(maps), "probs"), None
        asked: list[Any] = []
        with standing_in(teacher.head, get_losses=lambda *args, **more: asked.append((args, more))):
            teacher.head(maps, labels, imgs)
        return _opinion(asked[0][0][5], "sigmoid_logits"), asked[0]


def _opinion(outputs: Tensor, scores_are: str) -> Predictions:
    said = outputs.detach()
    return Predictions(corners(said[..., :4].float()), said[..., 5:], scores_are, said[..., 4])


def _told(a: Assignment, gt: GroundTruth, boxes: Tensor) -> list[Matches]:
    """What every image learns; class targets are the overlaps of these boxes, of the positives alone."""
    places, rows = owned(a)
    return matches(a, gt, rows, overlap_at(places, rows, boxes, gt))


def _losses(head: Any, args: tuple[Any, ...], more: dict[str, Any], found: list[Matches]) -> tuple[Any, ...]:
    """The stock losses, told what was found."""
    with standing_in(head, get_assignments=lambda image, *_, **__: found[image]):
        return type(head).get_losses(head, *args, **more)
