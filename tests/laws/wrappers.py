"""What Rescue and Warmup promise: objects served one by one in NumPy, and whose turn it is."""

import numpy as np
import torch

import labelassign as la
from labelassign import Reason
from tests.laws.overlaps import f32, images, iou
from tests.laws.turned import Turned


def unharmed(networks, image, prior):
    """Whether any of some networks predicts finite numbers for a prior."""
    fields = [(p.boxes[image, prior], p.scores[image, prior]) for p in networks]
    return not fields or any(bool(b.isfinite().all() and s.isfinite().all()) for b, s in fields)


def middles(boxes):
    return boxes[:, :2] if boxes.shape[1] == 5 else (boxes[:, :2] + boxes[:, 2:]) / f32(2)


def wishes(image, strides, r, free):
    """The free priors in the order in which an object would take them."""
    box = image.objects[r : r + 1]
    if 5 in (box.shape[1], image.priors.shape[1]):
        overlap = la.geometry.rotated_iou(torch.from_numpy(image.priors), torch.from_numpy(box)).numpy()
    else:
        overlap = iou(box, image.priors)[0]
    off = middles(image.priors).astype(np.float64) - middles(box).astype(np.float64)
    away = (off * off).sum(1) / (1.0 if strides is None else strides.numpy().astype(np.float64) ** 2)
    away = away.astype(f32)
    return sorted(np.flatnonzero(free), key=lambda n: (-overlap[n], away[n], n)), overlap


def serve(rescue, scene, before):
    """Owner and quality of every prior taken, and how many each row was given, serving row by row."""
    networks = [getattr(scene, name) for name in ("predictions", "teacher") if name in rescue.needs]
    index, quality = before.gt_index.numpy().copy(), before.quality.numpy().copy()
    taken, given = np.zeros(index.shape, bool), np.zeros(scene.gt.num_rows, int)
    for i, image in images(scene):
        owner = before.gt_index[i].numpy()
        own = {
            row: sorted(np.flatnonzero(owner == row), key=lambda n: (-before.quality[i, n], n)) for row in image.rows
        }
        kept = {n for priors in own.values() for n in priors[: rescue.min_positives]}
        free = image.valid & ~np.isin(np.arange(len(owner)), sorted(kept))
        for r, row in enumerate(image.rows):
            order, overlap = wishes(image, scene.priors.strides, r, free)
            for n in order[: rescue.candidates]:
                enough = len(own[row]) + given[row] >= rescue.min_positives
                if enough or taken[i, n] or not unharmed(networks, i, n):
                    continue
                index[i, n], quality[i, n], taken[i, n] = row, overlap[n], True
                given[row] += 1
    return index, quality, taken, given


def rescue_condition(rescue, scene, a):
    before = scene.assign(rescue.assigner)
    index, quality, taken, given = serve(rescue, scene, before)
    assert np.array_equal(a.gt_index.numpy(), index), "not what serving the rows one by one gives"
    assert np.array_equal(a.quality.numpy(), quality)
    for name in ("cls_target", "cls_weight", "loc_weight"):
        want = np.where(taken, f32(1), getattr(before, name).numpy())
        assert np.array_equal(getattr(a, name).numpy(), want), name
    assert a.diagnostics["rescued"].tolist() == given.tolist()


def rescue_reason(rescue, scene, a):
    before = scene.assign(rescue.assigner)
    none = (before.per_gt_count == 0) & (a.diagnostics["rescued"] > 0)
    assert a.reason.tolist() == [
        int(Reason.RESCUED) if new else old for new, old in zip(none, before.reason, strict=True)
    ]


def turn(warmup, scene):
    """The member whose turn it is."""
    return warmup.first if scene.step < warmup.steps else warmup.then


def warmup_condition(warmup, scene, a):
    want = scene.assign(turn(warmup, scene))
    for name in ("gt_index", "quality", "cls_target", "cls_weight", "loc_weight"):
        assert getattr(a, name).equal(getattr(want, name)), name
    assert bool(a.diagnostics["warming"]) == (scene.step < warmup.steps)


def warmup_reason(warmup, scene, a):
    assert a.reason.equal(scene.assign(turn(warmup, scene)).reason)


def parts(assigner):
    """Names of the fields that hold wrapped assigners."""
    if isinstance(assigner, la.Warmup):
        return ("first", "then")
    return ("assigner",) if isinstance(assigner, (la.LAD, la.CoLAD, la.Rescue, Turned)) else ()
