"""The peers, each at its best: prepared inputs, no gradient, and nothing timed that its own caller would not do."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import sklearn
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor
from torchvision.models.detection._utils import Matcher
from torchvision.ops import box_iou

from benchmarks.workloads import Problem
from tests.parity import mmdet_peers, mmdet_stub, paa_head
from tests.parity.paa_head import PreAssigned
from tests.parity.scenes import CLASSES, Output

Rows = list[Tensor]  # one image each: the row inside the image, -1 background, -2 ignored


@functools.cache
def head(strides: tuple[int, ...]) -> Any:
    """The PAAHead of mmdet in its published configuration, over these levels."""
    heads, config = mmdet_stub.module("mmdet.models.dense_heads"), mmdet_stub.module("mmengine.config").ConfigDict
    options = paa_head._configuration(config)
    options["anchor_generator"]["strides"] = list(strides)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the head asks itself for a property that it has renamed
        return heads.PAAHead(**options)


def pre_assigned(problem: Problem) -> Callable[[], list[PreAssigned]]:
    """The head's targets before any prediction, which its MaxIoU assigner makes; anchors are made once."""
    size, strides = problem.workload.size, problem.workload.strides
    shapes, metas = [(-(-size[0] // s), -(-size[1] // s)) for s in strides], [{"img_shape": size, "pad_shape": size}]
    metas = metas * problem.workload.images
    anchors, valid = head(strides).get_anchors(shapes, metas, device=problem.device)
    objects = [mmdet_peers.instances(scene) for scene in problem.scenes]

    def call() -> list[PreAssigned]:
        lists = zip(anchors, *head(strides).get_targets(anchors, valid, objects, metas), strict=True)
        return [PreAssigned(*each) for each in lists]

    return call


def costs(problem: Problem, pre: PreAssigned, output: Output, image: int) -> Tensor:
    """The head's own cost of every candidate, float32."""
    given = (output.logits[image], output.deltas[image], *pre[1:5], pre.prior)
    return head(problem.workload.strides).get_pos_loss(pre.anchors, *given)[0]


def reassign(problem: Problem, pre: PreAssigned, cost: Tensor) -> tuple[Tensor, ...]:
    """The head's mixture and cut, in the dtype of `cost`."""
    given = (cost, pre.labels, pre.label_weights, pre.box_weights, pre.prior, pre.row, pre.anchors)
    return head(problem.workload.strides).paa_reassign(*given)


def paa(problem: Problem, output: Output) -> Callable[[], list[tuple[PreAssigned, tuple[Tensor, ...]]]]:
    """Targets, costs and reassignment, image by image, as the head's loss runs them."""
    before = pre_assigned(problem)

    def call() -> list[tuple[PreAssigned, tuple[Tensor, ...]]]:
        steps = enumerate(before())
        return [(pre, reassign(problem, pre, costs(problem, pre, output, i))) for i, pre in steps]

    return call


def paa_rows(found: list[tuple[PreAssigned, tuple[Tensor, ...]]]) -> Rows:
    """The head's labels and weights in our codes."""
    rows = []
    for pre, (labels, weights, *_) in found:
        index = torch.full_like(labels, -1)
        index[pre.prior] = pre.row
        rows.append(torch.where(weights > 0, torch.where(labels < CLASSES, index, -1), -2))
    return rows


def max_iou(problem: Problem) -> Callable[[], list[Any]]:
    """The assigner of mmdet with RetinaNet's thresholds."""
    peer = mmdet_peers.assigner("MaxIoUAssigner", pos_iou_thr=0.5, neg_iou_thr=0.4, min_pos_iou=0.0)
    anchors = mmdet_peers.as_priors(problem.priors.boxes)
    ready = [mmdet_peers.instances(scene) for scene in problem.scenes]
    return lambda: [peer.assign(anchors, each) for each in ready]


def atss(problem: Problem) -> Callable[[], list[Any]]:
    """The assigner of mmdet with the paper's nine candidates."""
    peer, sizes = mmdet_peers.assigner("ATSSAssigner", topk=9), list(problem.priors.level_sizes)
    anchors = mmdet_peers.as_priors(problem.priors.boxes)
    ready = [mmdet_peers.instances(scene) for scene in problem.scenes]
    return lambda: [peer.assign(anchors, sizes, each) for each in ready]


def mmdet_rows(found: list[Any]) -> Rows:
    """An assigner's result in our codes."""
    return [mmdet_peers.from_gt_inds(each.gt_inds) for each in found]


def torchvision(problem: Problem) -> Callable[[], Rows]:
    """As in torchvision's RetinaNet: overlaps, then the matcher; an image without objects is its caller's case."""
    matcher, boxes = Matcher(0.5, 0.4, allow_low_quality_matches=True), problem.priors.boxes
    empty = torch.full((problem.priors.count,), -1, device=boxes.device)
    return lambda: [matcher(box_iou(s.boxes, boxes)) if len(s.boxes) else empty.clone() for s in problem.scenes]


def gaussian_mixtures(rows: list[Any], quick: bool) -> list[tuple[Any, Any]]:
    """scikit-learn on each row `[n, 1]`, set up as mmdet does: component and log density of every sample.

    Its fastest form for one feature, "diag" (the others are the same model there); `quick` leaves out its checks.
    """
    found = []
    with warnings.catch_warnings(), sklearn.config_context(assume_finite=quick, skip_parameter_validation=quick):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for x in rows:
            ends, ones = [[x.min()], [x.max()]], [[1.0], [1.0]]
            fit = GaussianMixture(
                2, covariance_type="diag", weights_init=[0.5, 0.5], means_init=ends, precisions_init=ones
            )
            found.append((fit.fit_predict(x), fit.score_samples(x)))
    return found
