"""What OTA promises, worked out again image by image as a dense plan over all priors in NumPy."""

import numpy as np

from labelassign import Reason
from tests.laws.matching import probabilities
from tests.laws.overlaps import expect, images, iou

f32, f64 = np.float32, np.float64
FAR = 1e5  # in units of eps: exp(-FAR) is 0


def near(assigner, scene, image):
    """Which priors each object may have [rows, N]."""
    middle, strides = (image.priors[:, :2] + image.priors[:, 2:]) / f32(2), scene.priors.strides.numpy()
    found = np.zeros((len(image.rows), len(middle)), bool)
    for r, box in enumerate(image.objects):
        inside = np.minimum(middle - box[:2], box[2:] - middle).min(1) > 0
        centre, reach = (box[:2] + box[2:]) / f32(2), (f32(assigner.radius) * strides)[:, None]
        found[r] = inside & ((centre - reach < middle) & (middle < centre + reach)).all(1) & image.valid
    return found


def costs(assigner, predictions, image, boxes, labels):
    """Of every object with every prior, overlaps with it, and of the background: [rows, N], [rows, N], [N]."""
    p = probabilities(predictions, image)[:, : predictions.num_classes]
    with np.errstate(divide="ignore", invalid="ignore"):
        there = -assigner.alpha * (1 - p) ** assigner.gamma * np.maximum(np.log(p), -1e4)
        not_there = -(1 - assigner.alpha) * p**assigner.gamma * np.maximum(np.log1p(-p), -1e4)
    overlap = iou(predictions.boxes[image].float().numpy(), boxes).T.astype(f64)
    back = not_there.sum(1)
    own = back + (there - not_there)[:, labels].T
    return own - assigner.iou_weight * np.log(np.maximum(overlap, np.finfo(f32).eps)), overlap, back


def plan(cost, back, supply, eps, iterations):
    """Shares of objects and, last, of the background, which starts as if it had all: [rows + 1, N]."""
    log = np.append(-cost, -back[None], 0) / eps
    wanted = np.append(supply, max(log.shape[1] - supply.sum(), 0)).astype(f64)
    price = back / eps
    with np.errstate(divide="ignore"):
        wanted = np.log(wanted)
    for _ in range(iterations):
        rows = wanted - np.logaddexp.reduce(log + price, 1)
        price = -np.logaddexp.reduce(log + rows[:, None], 0)
    return np.exp(log + rows[:, None] + price)


def units(assigner, allowed, overlap):
    best = -np.sort(-overlap * allowed, 1)[:, : assigner.topk]
    return np.minimum(np.maximum(best.sum(1).astype(int), 1), allowed.sum(1))


def places(assigner, scene, a):
    """All that can be said if another network decides."""
    for i, image in images(scene):
        for row, allowed in zip(image.rows, near(assigner, scene, image), strict=True):
            assert not ((a.gt_index[i].numpy() == row) & ~allowed).any(), f"row {row} owns priors that it may not have"


def condition(assigner, scene, a):
    places(assigner, scene, a)
    for i, image in images(scene):
        allowed = near(assigner, scene, image)
        able, anybody = allowed.any(1), allowed.any(0)
        index = a.gt_index[i].numpy()
        if not able.any():
            continue
        labels = scene.gt.labels[image.rows].numpy()[able]
        rows, allowed = np.array(image.rows)[able], allowed[able][:, anybody]
        cost, overlap, back = costs(assigner, scene.predictions, i, image.objects[able], labels)
        cost, overlap, back = cost[:, anybody], overlap[:, anybody], back[anybody]
        supply = units(assigner, allowed, overlap)
        cost = cost + FAR * assigner.eps * ~allowed
        share = plan(cost, back, supply, assigner.eps, assigner.iterations)
        if assigner.rescale:
            share[:-1] /= share[:-1].max(1, keepdims=True)
        owner = np.append(rows, -1)
        given = [share[:-1][rows == row, n].sum() if row >= 0 else share[-1, n]
                 for n, row in enumerate(np.maximum(index[anybody], -1))]  # fmt: skip
        worse = np.array(given) < share.max(0) * (1 - 1e-4) - 1e-6
        assert not worse.any(), (
            f"image {i}: priors {np.flatnonzero(anybody)[worse]} go to {index[anybody][worse]}, "
            f"{owner[share.argmax(0)][worse]} give more"
        )


def reason(assigner, scene, a):
    for _, image in images(scene):
        for row, allowed in zip(image.rows, near(assigner, scene, image), strict=True):
            missing = (Reason.REJECTED, Reason.LOST) if allowed.any() else (Reason.NO_CANDIDATE,)
            expect(a, row, *((Reason.FINE,) if int(a.per_gt_count[row]) else missing))
