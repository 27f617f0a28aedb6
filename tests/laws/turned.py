"""Rotated boxes before the laws: how their scenes come about, and what methods promise of them, by shapely."""

import itertools
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from shapely.geometry import MultiPoint, Point

import labelassign as la
from tests.laws.overlaps import images

ROUNDING = 1e-5  # of two ways to an overlap, one of which ends in float32


@dataclass(frozen=True)
class Turned(la.Assigner):
    """An assigner of rotated boxes: each object of a scene is turned by its class, each prediction by its proportions.

    So moving, doubling and shuffling the upright scene does the same to the rotated one.
    """

    assigner: la.Assigner
    priors_too: bool = False
    ignore_iof: float | None = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "ignore_iof", self.assigner.ignore_iof)

    @property
    def needs(self):
        return self.assigner.needs

    def _assign(self, priors, gt, predictions, teacher, step):
        priors, gt, *networks = self.records(priors, gt, predictions, teacher)
        draft = self.assigner._assign(priors, gt, *networks, step)
        seen = networks[0] or networks[1]
        return draft if draft.weights is not None else self.assigner._complete(draft, priors, gt, seen)

    def records(self, priors, gt, *networks):
        objects = _turn(gt.boxes, gt.labels[:, None] * 0.7 + 0.4)
        seen = [p if p is None else replace(p, boxes=_turn(p.boxes.float())) for p in networks]
        own = replace(priors, boxes=_turn(priors.boxes)) if self.priors_too else priors
        return own, replace(gt, boxes=objects), *seen


def _turn(boxes, angle=None):
    flat = la.geometry.as_rotated(boxes)
    width, height = flat[..., 2:3], flat[..., 3:4]
    share = torch.where(width + height > 0, width / (width + height), 0.0)
    return torch.cat([flat[..., :4], 3 * share if angle is None else angle.float()], -1)


def inside(check, turned, scene, a):
    """Hold an answer against a promise of the wrapped assigner, on the scene that it was given."""
    priors, gt, mine, other = turned.records(scene.priors, scene.gt, scene.predictions, scene.teacher)
    check(turned.assigner, replace(scene, priors=priors, gt=gt, predictions=mine, teacher=other), a)


def outline(box, floor=0.0):
    """The polygon of a box of five numbers, or of four."""
    if len(box) == 4:
        box = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1], 0.0]
    x, y, w, h, angle = (float(v) for v in box)
    w, h = max(w, floor), max(h, floor)
    along, down = np.array([np.cos(angle), np.sin(angle)]) * w / 2, np.array([-np.sin(angle), np.cos(angle)]) * h / 2
    return MultiPoint([(x, y) + i * along + j * down for i in (-1, 1) for j in (-1, 1)]).convex_hull


def iou(a, b):
    both = a.intersection(b).area
    whole = a.area + b.area - both
    return both / whole if whole > 0 else 0.0


def _overlaps(image):
    shapes = [outline(box) for box in image.priors]
    found = [[iou(outline(box), shape) for shape in shapes] for box in image.objects]
    return np.where(image.valid, np.array(found).reshape(len(image.rows), len(shapes)), -1.0)


def _images(turned, scene):
    priors, gt = turned.records(scene.priors, scene.gt)
    return images(replace(scene, priors=priors, gt=gt))


def max_iou(turned, scene, a):
    for i, image in _images(turned, scene):
        found = _overlaps(image)
        for n in np.flatnonzero(a.positive[i].numpy()):
            value, row = found[:, n], image.rows.index(int(a.gt_index[i, n]))
            plain = value[row] >= max(turned.assigner.pos_iou, value.max()) - ROUNDING
            claimed = 0 < value[row] >= found[row].max() - ROUNDING
            assert plain or claimed, f"prior {n} of image {i}: overlap {value[row]}"


def atss(turned, scene, a):
    edges = np.cumsum([0, *scene.priors.level_sizes])
    for i, image in _images(turned, scene):
        found = _overlaps(image)
        middle = (image.priors[:, :2] + image.priors[:, 2:]) / 2
        for r, row in enumerate(image.rows):
            distance = np.square(middle - image.objects[r, :2]).sum(1)
            levels = [[n for n in range(*ends) if image.valid[n]] for ends in itertools.pairwise(edges)]
            near = []
            for level in levels:
                near += sorted(level, key=lambda n: (distance[n], n))[: turned.assigner.topk]
            sample = found[r, near]
            least = sample.mean() + (sample.std(ddof=1) if len(near) > 1 else 0.0) if near else 0.0
            shape = outline(image.objects[r])
            for n in np.flatnonzero(a.gt_index[i].numpy() == row):
                assert n in near, f"prior {n} of image {i} is not among the nearest"
                assert found[r, n] >= least - ROUNDING, f"prior {n} of image {i}: {found[r, n]} is below {least}"
                assert shape.contains(Point(middle[n])), f"prior {n} of image {i} is outside of its object"


def aligned(turned, scene, a):
    for i, image in _images(turned, scene):
        middle = la.geometry.centres(torch.from_numpy(image.priors)).numpy()
        for r, row in enumerate(image.rows):
            shape = outline(image.objects[r], turned.assigner.floor).buffer(ROUNDING)
            for n in np.flatnonzero(a.gt_index[i].numpy() == row):
                assert shape.contains(Point(middle[n])), f"prior {n} of image {i} is outside of its object"
