"""FreeAnchor: bags of anchors that compete for an object."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from labelassign import checks
from labelassign.assigners import inputs, soft
from labelassign.geometry import paired_iou
from labelassign.ops.blocks import LOW32, falling, pack, row_blocks
from labelassign.structures import GroundTruth, Predictions, Priors
from labelassign.structures.pair_weights import PairWeights


@dataclass(frozen=True)
class FreeAnchor:
    """Every object has a bag of the anchors that overlap it most, and the bag learns to hold one good one.

    With p = class probability · exp(-smooth L1 of the box deltas), a pair weighs 1 / (1 - p), over the sum of its bag:
    the mean over the bag while none is good, its best later (mean-max). As background of a class, a prior counts one
    less how well its predicted box overlaps an object of it: from 0 at `threshold` to 1 at the object's best overlap,
    linearly. The answer has gradients: it is no `Assigner`, and no teacher can decide.

    Equals: mmdet 3.3.0 FreeAnchorRetinaHead where at least `topk` anchors overlap an object (tests/parity).   Differs:
    a bag holds anchors that overlap its object, however few; predictions that are not finite are no pairs.

    Source: Zhang et al., 2019, arXiv:1909.02466, sections 3.2 and 3.3.

    Arguments:
        topk: anchors per bag.
        threshold: least overlap of a prediction that is not all background.
        beta: where the smooth L1 loss turns from square to straight.
        box_weight: of the smooth L1 loss, summed over four deltas.
        stds: of the deltas, as in `DeltaCoder`.
        ignore_iof: background with at least this share in an ignored region counts 0; None leaves it.
    Ties: lower prior.   Empty image: no pairs, all background.   Cost: memory O(G·topk), time
    O(G·N).
    Raises: ValueError without predictions, or for options out of range.

    Example:
        >>> w = la.FreeAnchor(topk=9)(priors, gt, predictions)
        >>> w.per_gt_count.tolist(), bool((w.per_object(w.weight) - 1).abs().max() < 1e-6)
        ([9, 9, 9], True)
    """

    topk: int = 50
    threshold: float = 0.6
    beta: float = 0.11
    box_weight: float = 0.75
    stds: tuple[float, float, float, float] = (0.1, 0.1, 0.2, 0.2)
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("topk", "beta"):
            checks.positive("FreeAnchor", name, getattr(self, name))
        checks.positive("FreeAnchor", "box_weight", self.box_weight, zero=True)
        if not 0 <= self.threshold < 1:
            checks.fail("FreeAnchor", "0 <= threshold < 1", self.threshold, "It is an overlap.")

    def __call__(self, priors: Priors, gt: GroundTruth, predictions: Predictions) -> PairWeights:
        """Weigh the bags of a batch; gradients go to the predictions."""
        inputs.check("FreeAnchor", frozenset({"predictions"}), priors, gt, predictions, None, None)
        prior, held = self._bags(priors, gt, predictions)
        pairs = soft.listed(priors, gt, predictions, [(slice(0, gt.num_rows), held, prior)])
        box, target = soft.both_boxes(gt, predictions, pairs)
        anchor = priors.boxes[pairs.prior] if priors.boxes.dim() == 2 else priors.boxes[pairs.image, pairs.prior]
        side = (anchor[:, 2:] - anchor[:, :2]).double().clamp(min=soft.TINY)
        shift = (box[:, :2] + box[:, 2:] - target[:, :2] - target[:, 2:]) / 2 / side
        sizes = [(t[:, 2:] - t[:, :2]).clamp(min=1e-6).log() for t in (box, target)]
        apart = torch.cat([shift, sizes[0] - sizes[1]], 1).abs().unbind(1)
        # one number at a time: a tensor made of them would be copied to the device
        apart = torch.stack([each / std for each, std in zip(apart, self.stds, strict=True)], 1)
        loss = torch.where(apart < self.beta, apart.square() / (2 * self.beta), apart - self.beta / 2).sum(1)
        p = soft.class_probability(gt, predictions, pairs) * torch.exp(-self.box_weight * loss)
        parts = (p, 1 / (1 - p).clamp(min=soft.TINY), torch.ones_like(p))
        back = self._background(gt, predictions)
        return soft.result(priors, gt, predictions, pairs, parts, back, self.ignore_iof)

    @torch.no_grad()
    def _bags(self, priors: Priors, gt: GroundTruth, predictions: Predictions) -> tuple[Tensor, Tensor]:
        """Priors of every bag `[G, K]`, and which of them there are."""
        n, k, boxes = priors.count, min(self.topk, priors.count), priors.boxes
        every, able = torch.arange(n, device=boxes.device), soft.able(gt, predictions)[:, None]
        key = torch.zeros(gt.num_rows, k, dtype=torch.int64, device=boxes.device)
        never = torch.iinfo(torch.int64).max
        for part in row_blocks(gt.num_rows, n):
            mine = boxes if boxes.dim() == 2 else boxes[gt.image_of[part]]
            iou = paired_iou(mine, gt.boxes[part, None])
            wanted = (iou > 0) & able[part]
            if priors.valid is not None:
                wanted &= priors.valid[gt.image_of[part]]
            keys = torch.where(wanted, pack(falling(iou.nan_to_num(0.0)), every), never)
            key[part] = keys.topk(k, largest=False).values
        return torch.where(key < never, key & LOW32, 0), key < never

    @torch.no_grad()
    def _background(self, gt: GroundTruth, predictions: Predictions) -> Tensor:
        """1 less how surely a prior's box is that of an object of the class `[B, N, C]`."""
        boxes, classes, (images, n) = predictions.boxes, predictions.num_classes, predictions.boxes.shape[:2]
        taken = torch.zeros(images * n * classes, device=boxes.device)
        every, able = torch.arange(n, device=boxes.device), soft.able(gt, predictions)[:, None]
        label = gt.labels.clamp(0, max(classes - 1, 0))
        for part in row_blocks(gt.num_rows, n):
            image = gt.image_of[part]
            iou = paired_iou(boxes[image], gt.boxes[part, None]).nan_to_num(0.0).double()
            top = iou.amax(1, keepdim=True).clamp(min=self.threshold + soft.TINY) if n else iou
            sure = ((iou - self.threshold) / (top - self.threshold)).clamp(0, 1).float() * able[part]
            place = (image[:, None] * n + every) * classes + label[part, None]
            taken.scatter_reduce_(0, place.flatten(), sure.flatten(), "amax")
        return 1 - taken.view(images, n, classes)
