"""What Hungarian promises, worked out again image by image in NumPy float64; and how scenes come to image sizes."""

from dataclasses import dataclass, field, replace

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment

import labelassign as la
from labelassign import Reason
from tests.laws.overlaps import expect, images

f64 = np.float64
_ROUNDING = 1e-5  # of costs in float32


@dataclass(frozen=True)
class Sized(la.Assigner):
    """A matcher whose images all have one size (height, width): the scenes of the laws do not say theirs."""

    assigner: la.Hungarian
    size: tuple[float, float] = (128.0, 160.0)
    ignore_iof: float | None = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "ignore_iof", self.assigner.ignore_iof)

    @property
    def needs(self):
        return self.assigner.needs

    def _assign(self, priors, gt, predictions, teacher, step):
        sizes = torch.stack([gt.boxes.new_full((gt.num_images,), side) for side in self.size], 1)
        return self.assigner._match(priors, gt, predictions, sizes)


def larger(sized, factor):
    return replace(sized, size=tuple(side * factor for side in sized.size))


def probabilities(predictions, image):
    x = predictions.scores[image].numpy().astype(f64)
    if predictions.scores_are == "probs":
        return x
    if predictions.scores_are == "sigmoid_logits":
        return 1 / (1 + np.exp(-x))
    x = np.exp(x - x.max(1, keepdims=True))
    return x / x.sum(1, keepdims=True)


def giou(a, b):
    a, b = a[:, None].astype(f64), b[None].astype(f64)
    sides = [np.maximum(x[..., 2:] - x[..., :2], 0).prod(-1) for x in (a, b)]
    inner = np.maximum(np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2]), 0).prod(-1)
    hull = (np.maximum(a[..., 2:], b[..., 2:]) - np.minimum(a[..., :2], b[..., :2])).prod(-1)
    union = sides[0] + sides[1] - inner
    tiny = np.finfo(np.float32).tiny
    return np.clip(inner / np.maximum(union, tiny) - (hull - union) / np.maximum(hull, tiny), -1, 1)


def costs(rule, size, predictions, image, boxes, labels):
    """[objects, queries] of one image."""
    p = probabilities(predictions, image)[:, labels].T
    if rule.cls_cost == "focal":
        there = -rule.alpha * (1 - p) ** rule.gamma * np.log(p + rule.eps)
        cls = there + (1 - rule.alpha) * p**rule.gamma * np.log(1 - p + rule.eps)
    else:
        cls = -p
    seen = predictions.boxes[image].float().numpy()
    middle = [
        np.concatenate([x[:, :2] + x[:, 2:], 2 * (x[:, 2:] - x[:, :2])], 1).astype(f64) / 2 for x in (boxes, seen)
    ]
    share = np.array([size[1], size[0], size[1], size[0]])
    distance = (np.abs(middle[0][:, None] - middle[1][None]) / share).sum(-1)
    return rule.cls_weight * cls + rule.l1_weight * distance - rule.giou_weight * giou(boxes, seen)


def _problems(sized, scene):
    for i, image in images(scene):
        if not image.rows:
            continue
        labels = scene.gt.labels[image.rows].numpy()
        found = costs(sized.assigner, sized.size, scene.predictions, i, image.objects, labels)
        yield i, image, found, np.flatnonzero(image.valid)


def _cheapest(found, times):
    """The least sum, and its pairs."""
    wanted = np.repeat(found, times, 0)
    places = linear_sum_assignment(wanted)
    return wanted[places].sum(), (places[0] // times, places[1])


def _times(sized, rows, queries):
    return max(1, min(sized.assigner.repeats, queries // rows))


def tied(sized, scene):
    """Whether some image has other pairs that cost the same but for float32's rounding.

    It happens without equal numbers: of two objects beyond all boxes, either one is as much nearer to each box.
    """
    for _, image, found, queries in _problems(sized, scene):
        if not len(queries):
            continue
        found, times = found[:, queries], _times(sized, len(image.rows), len(queries))
        least, pairs = _cheapest(found, times)
        for pair in zip(*pairs, strict=True):
            without = found.copy()
            without[pair] += 1.0
            if _cheapest(without, times)[0] <= least + _ROUNDING * (1 + np.abs(found).max()):
                return True
    return False


def condition(sized, scene, a):
    for i, image, found, queries in _problems(sized, scene):
        rows, index = len(image.rows), a.gt_index[i].numpy()
        times = _times(sized, rows, len(queries))
        taken = np.flatnonzero(index >= 0)
        row = [image.rows.index(r) for r in index[taken]]
        assert len(taken) == min(rows * times, len(queries)), f"image {i} has {len(taken)} pairs"
        assert np.bincount(row, minlength=rows).max() <= times, f"image {i}: an object has more than {times} queries"
        least, _ = _cheapest(found[:, queries], times)
        paid = found[row, taken].sum()
        assert paid <= least + _ROUNDING * (1 + np.abs(found).max()), f"image {i}: a sum of {paid}, possible is {least}"


def reason(sized, scene, a):
    for _, image, _, queries in _problems(sized, scene):
        for row in image.rows:
            missing = Reason.LOST if len(queries) else Reason.NO_CANDIDATE
            expect(a, row, Reason.FINE if int(a.per_gt_count[row]) else missing)
