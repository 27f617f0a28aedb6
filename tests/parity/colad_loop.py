"""The released form of co-learning, as a loop over objects and levels.

Written from what is published about it (Nguyen et al., 2022, arXiv:2108.10520, section 3.3, and the behaviour of the
released code), not from that code: for each object and level the network of the higher deviation / mean decides,
before the nine cheapest candidates go into the object's mixture.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot
from torchvision.ops import generalized_box_iou_loss

from tests.ops.mixture_problems import scikit_learn
from tests.parity import mmdet_peers
from tests.parity.scenes import CLASSES, CODER, Output, Scene, priors

TOPK = 9


@dataclass
class Trace:
    """What the loop decided, and the statistics that it would log."""

    teacher: dict[tuple[int, int], bool] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    means: list[tuple[float, float]] = field(default_factory=list)
    deviations: list[tuple[float, float]] = field(default_factory=list)


def cost(output: Output, scene: Scene, row: Tensor, prior: Tensor) -> Tensor:
    """Focal loss (alpha 0.25, gamma 2) over all classes plus 1.3 times the GIoU loss, float64."""
    logits, target = output.logits[prior].double(), one_hot(scene.labels[row], CLASSES).double()
    miss = torch.where(target > 0, 1 - logits.sigmoid(), logits.sigmoid())
    weight = torch.where(target > 0, 0.25, 0.75) * miss**2
    focal = (weight * binary_cross_entropy_with_logits(logits, target, reduction="none")).sum(1)
    boxes = CODER.decode(priors(), output.deltas)[prior].double()
    return focal + 1.3 * generalized_box_iou_loss(boxes, scene.boxes[row].double(), eps=0.0)


def teacher_decides(student: Tensor, teacher: Tensor) -> bool:
    """Deviation over mean, equal ones to the teacher; of single candidates the cheaper, equal ones to the student."""
    if len(student) == 1:
        return bool(teacher < student)
    return bool(teacher.std() / teacher.mean() >= student.std() / student.mean())


def keep(costs: Tensor, prior: Tensor) -> Tensor:
    """The priors up to the densest sample among those of the cheaper component; nothing from a single candidate."""
    if len(costs) < 2:
        return prior[:0]
    order = costs.argsort(stable=True)
    peer = scikit_learn(costs[order].numpy())
    low = np.flatnonzero(peer.labels == 0)
    return prior[order][low[: peer.scores[low].argmax() + 1]] if len(low) else prior[:0]


def assign(scene: Scene, student: Output, teacher: Output) -> tuple[Tensor, Trace]:
    """The row that owns each prior `[N]`, -1 for none."""
    index, trace = torch.full((priors().count,), -1), Trace()
    owner = mmdet_peers.max_iou(priors().boxes, scene, pos_iou_thr=0.1, neg_iou_thr=0.1, min_pos_iou=0.0)
    edges = [0, *torch.tensor(priors().level_sizes).cumsum(0).tolist()]
    for row in range(len(scene.boxes)):
        chosen, costs = [], []
        for level, (begin, end) in enumerate(itertools.pairwise(edges)):
            prior = begin + (owner[begin:end] == row).nonzero()[:, 0]
            if not len(prior):
                continue
            rows = torch.full_like(prior, row)
            mine, other = (cost(each, scene, rows, prior) for each in (student, teacher))
            trace.teacher[row, level] = teacher_decides(mine, other)
            trace.sizes.append(len(prior))
            trace.means.append((float(mine.mean()), float(other.mean())))
            if len(prior) > 1:
                trace.deviations.append((float(mine.std()), float(other.std())))
            decisive = other if trace.teacher[row, level] else mine
            cheapest = decisive.argsort(stable=True)[:TOPK]
            chosen.append(prior[cheapest])
            costs.append(decisive[cheapest])
        if chosen:
            index[keep(torch.cat(costs), torch.cat(chosen))] = row
    return index, trace
