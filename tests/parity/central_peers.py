"""The assigners of mmdet and ultralytics on one image: rows, and the overlaps or targets that they report."""

import importlib
import os
import tempfile

import torch

from tests.parity import mmdet_stub
from tests.parity.mmdet_peers import assigner, from_gt_inds, instances


def points(priors):
    """Priors as mmdet's point heads have them: x, y, stride, stride."""
    centre = (priors.boxes[:, :2] + priors.boxes[:, 2:]) / 2
    return torch.cat([centre, priors.strides[:, None].float().expand(-1, 2)], 1)


def _predicted(where, boxes, scores):
    data = mmdet_stub.module("mmengine.structures").InstanceData
    return data(priors=where, bboxes=boxes, scores=scores)


def task_aligned(priors, here, boxes, logits):
    """Rows `[N]`, and TOOD's alignment of each positive."""
    given = _predicted(priors.boxes, boxes, logits.sigmoid())
    found = assigner("TaskAlignedAssigner", topk=13).assign(given, instances(here), alpha=1, beta=6)
    return from_gt_inds(found.gt_inds), found.assign_metrics


def sim_ota(priors, here, boxes, scores):
    """Rows `[N]` and the matched overlaps; scores are probabilities."""
    found = assigner("SimOTAAssigner", center_radius=2.5).assign(
        _predicted(points(priors), boxes, scores), instances(here)
    )
    return from_gt_inds(found.gt_inds), found.max_overlaps


def ultralytics_module(name):
    os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())  # it writes settings when it is imported
    os.environ.setdefault("YOLO_OFFLINE", "1")
    return importlib.import_module(name)


def ultralytics(priors, here, boxes, logits, topk=10, topk2=None, name="TaskAlignedAssigner"):
    """Rows `[N]` and soft targets of ultralytics' trainers: CIoU, the 10 best, exponents 0.5 and 6."""
    tal = ultralytics_module("ultralytics.utils.tal")
    strides = priors.strides.unique().tolist()
    options = {"alpha": 0.5, "beta": 6.0, "stride": strides, "topk2": topk2}
    judge = getattr(tal, name)(topk=topk, num_classes=logits.shape[1], **options)
    there = torch.ones(1, len(here.labels), 1, dtype=torch.bool)
    given = (logits.sigmoid()[None], boxes[None], points(priors)[:, :2])
    found = judge(*given, here.labels[None, :, None], here.boxes[None], there)
    _, _, scores, positive, row = found
    return torch.where(positive.bool(), row.long(), -1)[0], scores[0].amax(-1)


def dynamic_soft_label(priors, here, boxes, logits):
    """Rows `[N]` and the matched overlaps."""
    given = _predicted(points(priors), boxes, logits)
    found = assigner("DynamicSoftLabelAssigner", topk=13).assign(given, instances(here))
    return from_gt_inds(found.gt_inds), found.max_overlaps
