"""One-to-one matching of queries and objects."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

from labelassign import checks, solvers
from labelassign.assigners.set_matching import SetMatching, Terms


@dataclass(frozen=True)
class Hungarian(SetMatching):
    """The matching of least total cost, for set prediction: each object gets one query, each query at most one object.

    Cost of a pair = `cls_weight` · C + `l1_weight` · |Δ(cx, cy, w, h)|₁ in shares of the image − `giou_weight` · GIoU.
    C is −p of the object's class, or the focal loss if the class is there less the loss if it is not. In every image
    min(queries, objects) pairs, as one SciPy call per image on the host finds them: the only assigner that waits for
    the device, once per call. Decoder layers are images to it: fold them into the batch (example) and call once.
    `quality` is the logistic function of −cost.

    A prediction with a NaN or infinity anywhere, masked logits of −inf included, is never matched, and raises nothing;
    the image has fewer pairs then. `diagnostics["non_finite"]` counts them per image.

    Equals: the matchers of transformers 5.23.0, mmdet 3.3.0 HungarianAssigner and, for repeats, TopkHungarianAssigner
    (tests/parity).   Differs: costs in float64, rounded once (float32 focal costs are wrong from logits of 10 on, where
    1 − p has few digits); transformers matches predictions that are not finite if nothing else is left, and raises for
    NaN boxes.

    Source: Carion et al., 2020, arXiv:2005.12872, section 3.1; focal cost: Zhu et al., 2021, arXiv:2010.04159; groups:
    Chen et al., 2023, arXiv:2207.13085; repeats: Jia et al., 2023, arXiv:2207.13080.

    Arguments:
        cls_cost: "probability" (softmax heads: DETR) or "focal" (sigmoid heads: all later ones). `scores_are` of the
            predictions says what p is; `Predictions.from_cxcywh` takes softmax logits unless told otherwise.
        cls_weight, l1_weight, giou_weight: see above; one of them is positive.
        alpha, gamma, eps: of the focal cost; `eps` is added to p and 1 − p before their logarithms.
        groups: queries are so many equal groups one after the other, each matched by itself (Group DETR's training).
        repeats: an object gets up to so many queries (H-DETR); where there are too few for all, every object gets
            equally many, one at least if possible.
        solver: "scipy", or "torch-linear-assignment" (pip install torch-linear-assignment): on CUDA the costs stay on
            the device, and of several matchings of least cost it may choose another.
        shared_queries: the other network has the same queries in the same order, so that `LAD` and `CoLAD` may wrap
            this: the matching of the deciding network's costs, under CoLAD row by row of the chosen one. Two networks'
            learned queries have nothing in common, unless one began as a copy of the other or both share them.
        ignore_iof: see `Assigner`; the predicted box of a query stands for it.
    Ties: lower query, then the lower row has it: no object could move to a lower free query, and no two could exchange
    theirs, at equal total cost.   Empty image: all background.   Cost: memory O(G·N), time O(G²·N) at worst.
    Raises: ValueError without `gt.image_sizes`, for options out of range, or if the queries do not divide into groups;
    ImportError if the solver is not installed.

    Example:
        >>> layers, images = 6, [{"boxes": [[8, 8, 40, 24]], "labels": [3], "image_size": (64, 96)}] * 2
        >>> boxes, logits = torch.rand(layers, 2, 100, 4), torch.randn(layers, 2, 100, 81)
        >>> gt = la.GroundTruth.from_list(images * layers)
        >>> outputs = la.Predictions.from_cxcywh(boxes.flatten(0, 1), logits.flatten(0, 1), gt.image_sizes)
        >>> a = la.Hungarian.detr()(la.Priors.queries(100), gt, outputs)
        >>> a.gt_index.unflatten(0, (layers, 2)).shape, [len(query) for query, row in a.to_pairs()[:2]]
        (torch.Size([6, 2, 100]), [1, 1])
    """

    cls_cost: str = "probability"
    cls_weight: float = 1.0
    l1_weight: float = 5.0
    giou_weight: float = 2.0
    alpha: float = 0.25
    gamma: float = 2.0
    eps: float = 1e-8
    groups: int = 1
    repeats: int = 1
    solver: str = "scipy"
    shared_queries: bool = False
    ignore_iof: float | None = 0.5

    def __post_init__(self) -> None:
        """Check the options."""
        checks.choice("Hungarian", "cls_cost", self.cls_cost, ("probability", "focal"))
        checks.choice("Hungarian", "solver", self.solver, solvers.SOLVERS)
        for name in ("cls_weight", "l1_weight", "giou_weight", "gamma"):
            checks.positive("Hungarian", name, getattr(self, name), zero=True)
        for name in ("eps", "groups", "repeats"):
            checks.positive("Hungarian", name, getattr(self, name))
        if not 0 <= self.alpha <= 1:
            checks.fail("Hungarian", "0 <= alpha <= 1", self.alpha, "It weighs a class that is there.")
        if not (self.cls_weight or self.l1_weight or self.giou_weight):
            checks.fail("Hungarian", "a positive weight", "0 for all three costs", "Without costs all pairs are equal.")

    @classmethod
    def detr(cls) -> Self:
        """DETR as published and in transformers: softmax probability, weights 1, 5 and 2."""
        return cls(ignore_iof=None)

    @classmethod
    def deformable_detr(cls, cls_weight: float = 2.0) -> Self:
        """Deformable DETR: focal cost, weights 2, 5 and 2; in transformers' configuration `cls_weight` is 1."""
        return cls("focal", cls_weight, ignore_iof=None)

    @classmethod
    def dino(cls, groups: int = 1, eps: float = 1e-8) -> Self:
        """DINO: focal cost, weights 2, 5 and 2. LW-DETR and RF-DETR train with 13 groups; mmdet has `eps` 1e-12."""
        return cls("focal", 2.0, eps=eps, groups=groups, ignore_iof=None)

    @classmethod
    def rt_detr(cls) -> Self:
        """RT-DETR, D-FINE and DEIM: focal cost, weights 2, 5 and 2."""
        return cls("focal", 2.0, ignore_iof=None)

    @property
    def _terms(self) -> Terms:
        numbers = (self.alpha, self.gamma, self.eps, self.cls_weight, self.l1_weight, self.giou_weight)
        return self.cls_cost, *map(float, numbers)
