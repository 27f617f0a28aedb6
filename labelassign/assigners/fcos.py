"""Assignment of points by centre area and regression range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from torch import Tensor

from labelassign import checks
from labelassign.assigners.base import Assigner
from labelassign.assigners.draft import Draft
from labelassign.ops.fcos import MMDET, PAPER, TORCHVISION, fcos
from labelassign.ops.objects import objects
from labelassign.structures import GroundTruth, Predictions, Priors

_RULES = {"paper": PAPER, "mmdet": MMDET, "torchvision": TORCHVISION}


@dataclass(frozen=True)
class FCOS(Assigner):
    """Fully convolutional one-stage detection: a point learns the smallest object in whose centre area it lies.

    The centre area is a square of `radius` strides around the object's centre in each direction, cut off at the object;
    without centre sampling the whole object. The largest distance from the point to a side of the object must lie in
    the range of the point's level, ends included. Anchor boxes stand for their centres. `quality` of a positive is its
    centerness, the target of that branch.

    Equals: mmdet 3.3.0 FCOSHead, torchvision 0.29 FCOS, through the presets (tests/parity).   Differs: the plain class
    compares areas exactly, of any size; an object that several levels have at the end of their range is positive on
    both, as in the conference paper (open ends would leave it without any).

    Source: Tian et al., 2019, arXiv:1904.01355, section 3; centre sampling: Tian et al., 2020, arXiv:2006.09214.

    Arguments:
        center_sampling: take the centre area, not the whole object.
        radius: half a side of the centre area, in strides. Paper: r.
        ranges: (lowest, highest) distance of every level in pixels. None: 4 to 8 strides, the first and the last level
            with priors open towards the outside; with strides of 8 to 128 these are the paper's 0, 64, ..., 512, inf.
        rule: "paper", or "mmdet" or "torchvision" for that system's arithmetic, see the presets.
        ignore_iof: see `Assigner`.
    Ties: equal areas: lower ground-truth row.   Empty image: all background.
    Cost: one pass over [G, N] in blocks, memory O(B·N).
    Raises: ValueError if radius <= 0, for ranges that are none or not one per level, for priors without `strides`.

    Example:
        >>> points = la.Priors.points(image_size=(128, 160), strides=(8, 16))
        >>> a = la.FCOS()(points, gt)
        >>> a.per_gt_count.tolist(), round(float(a.quality.max()), 3)
        ([9, 9, 9], 1.0)
    """

    center_sampling: bool = True
    radius: float = 1.5
    ranges: tuple[tuple[float, float], ...] | None = None
    rule: str = "paper"
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.positive("FCOS", "radius", self.radius)
        checks.choice("FCOS", "rule", self.rule, _RULES)
        if any(not low < high for low, high in self.ranges or ()):
            checks.fail("FCOS", "`ranges` with lowest < highest", self.ranges, "Put each pair in order.")

    @classmethod
    def mmdet(
        cls,
        *,
        center_sampling: bool = False,
        radius: float = 1.5,
        ranges: tuple[tuple[float, float], ...] | None = None,
    ) -> Self:
        """As mmdet 3.3.0 FCOSHead, whose base configuration has no centre sampling; priors: `Priors.points`.

        Its defect: 1e8 marks a pair that does not match, so an object of 1e8 square pixels or more loses to any object
        of its image that does not match, and leaves background. Strides other than 8 to 128 need its `ranges` here.
        """
        return cls(center_sampling, radius, ranges, "mmdet", None)

    @classmethod
    def torchvision(cls, *, radius: float = 1.5) -> Self:
        """As torchvision 0.29 FCOS; priors: its anchors, with their side (8 to 128) as `strides`.

        Its defects: it compares 1e8 - area in float32, where areas below 3e7 that differ by up to 8 square pixels can
        be equal, and then the lower row wins; an area of 1e8 or more matches nothing; ranges are open, so that at the
        end of one an object is on neither level.
        """
        return cls(True, radius, None, "torchvision", None)

    def _assign(
        self,
        priors: Priors,
        gt: GroundTruth,
        predictions: Predictions | None,
        teacher: Predictions | None,
        step: int | Tensor | None,
    ) -> Draft:
        if priors.strides is None and (self.center_sampling or self.ranges is None):
            fix = "Make them with `Priors.points` or `Priors.grid`, or give `strides` to `Priors.from_boxes`."
            checks.fail("FCOS", "priors with `strides`", "strides=None", fix)
        if self.ranges is not None:
            found = {"ranges": len(self.ranges), "priors": len(priors.level_sizes)}
            checks.equal("FCOS", "number of levels", found, "Give one range a level.")
        where = (priors.boxes, priors.valid, *objects(gt, predictions), priors.strides, list(priors.level_sizes))
        ends = [float(end) for pair in self.ranges or () for end in pair]
        radius = float(self.radius) if self.center_sampling else -1.0
        return Draft.completed(fcos(*where, ends, radius, _RULES[self.rule], self._ignored_share))
