"""The methods beside PAA, MaxIoU and ATSS, listed as those are: own call, peers, and the gate between them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import labelassign as la
from benchmarks import field_peers, gates, inputs, peers
from benchmarks.arms import Arm
from benchmarks.calls import Call
from benchmarks.method import Gate, Method
from benchmarks.workloads import Problem
from tests.parity.scenes import CLASSES

Ready = Callable[[Problem], Callable[[], Any]]


def _against(name: str, ready: Ready, note: str) -> Callable[[Problem], list[Arm]]:
    return lambda problem: [Arm(name, ready(problem), peer=True, note=note)]


def _rows(read: Callable[[Problem, Any], peers.Rows]) -> Gate:
    return lambda problem, ours, theirs: gates.same_rows(problem, ours, read(problem, theirs))


def _central(assigner: la.Assigner, logits: bool = False) -> Callable[[Problem], Call]:
    """From decoded boxes and scores, which the peer has in the same form."""

    def ours(problem: Problem) -> Call:
        priors, gt, mine = problem.priors, problem.gt, problem.predictions(problem.student)
        given = mine if logits else la.Predictions(mine.boxes, mine.scores.sigmoid(), "probs")
        return lambda: assigner(priors, gt, given)

    return ours


def _fcos(assigner: la.Assigner, where: Callable[[Problem], la.Priors]) -> Callable[[Problem], Call]:
    def ours(problem: Problem) -> Call:
        priors, gt = where(problem), problem.gt
        return lambda: assigner(priors, gt)

    return ours


def _uniform(problem: Problem) -> Call:
    (priors, boxes), gt, assigner = inputs.yolof(problem), problem.gt, la.Uniform.mmdet()
    given = la.Predictions(boxes, boxes.new_zeros(*boxes.shape[:2], CLASSES))
    return lambda: assigner(priors, gt, given)


def _hungarian(problem: Problem) -> Call:
    here, assigner = inputs.decoder(problem), la.Hungarian.deformable_detr()
    images = [{"boxes": s.boxes, "labels": s.labels, "image_size": problem.workload.size} for s in problem.scenes]
    gt, queries = (
        la.GroundTruth.from_list(images * inputs.LAYERS),
        la.Priors.queries(inputs.QUERIES, device=problem.device),
    )

    def call() -> la.Assignment:
        given = la.Predictions.from_cxcywh(here.boxes, here.logits, gt.image_sizes, scores_are="sigmoid_logits")
        return assigner(queries, gt, given)

    return call


_mmdet = _rows(lambda _, found: peers.mmdet_rows(found))
_tood = field_peers.central("TaskAlignedAssigner", False, False, {"topk": 13}, alpha=1, beta=6)
_yolox = field_peers.central("SimOTAAssigner", False, True, {"center_radius": 2.5})
_rtmdet = field_peers.central("DynamicSoftLabelAssigner", True, True, {"topk": 13})
_PROBABILITIES = "from decoded boxes and probabilities to an Assignment"
METHODS = (
    Method(
        "TaskAligned, TOOD's rules",
        _central(la.TaskAligned.tood()),
        _against("mmdet", _tood, "TaskAlignedAssigner"),
        _mmdet,
        _PROBABILITIES,
    ),
    Method(
        "TaskAligned, ultralytics' rules",
        _central(la.TaskAligned.ultralytics()),
        _against("ultralytics", field_peers.ultralytics, "TaskAlignedAssigner of its trainers, whole batch, padded"),
        _rows(lambda _, found: field_peers.ultralytics_rows(found)),
        _PROBABILITIES,
        needs_objects=True,
    ),
    Method(
        "SimOTA",
        _central(la.SimOTA.mmdet()),
        _against("mmdet", _yolox, "SimOTAAssigner"),
        _mmdet,
        _PROBABILITIES,
    ),
    Method(
        "DynamicSoftLabel",
        _central(la.DynamicSoftLabel.rtmdet(), logits=True),
        _against("mmdet", _rtmdet, "DynamicSoftLabelAssigner"),
        _mmdet,
        "from decoded boxes and logits to an Assignment",
    ),
    Method(
        "FCOS, mmdet's rules",
        _fcos(la.FCOS.mmdet(), inputs.points),
        _against("mmdet", field_peers.mmdet_fcos, "FCOSHead.get_targets; no centerness"),
        _rows(field_peers.mmdet_fcos_rows),
        "points, no centre sampling; ours with centerness",
    ),
    Method(
        "FCOS, torchvision's rules",
        _fcos(la.FCOS.torchvision(), inputs.small_anchors),
        _against("torchvision", field_peers.torchvision_fcos, "the matching of FCOS.compute_loss; no centerness"),
        gates.same_rows,
        "points, centre sampling; ours with centerness",
    ),
    Method(
        "Uniform",
        _uniform,
        _against("mmdet", field_peers.uniform, "UniformAssigner"),
        _mmdet,
        "YOLOF's anchors: one level, five sides",
    ),
    Method(
        "Hungarian, 6 layers",
        _hungarian,
        _against("transformers", field_peers.transformers, "DeformableDetrHungarianMatcher, once for each layer"),
        _rows(lambda _, found: field_peers.query_rows(found)),
        "300 queries in 6 layers: from logits and normalised boxes to pairs; both search with SciPy",
        needs_objects=True,
        workloads=("coco_800x1333_b16",),
    ),
)
