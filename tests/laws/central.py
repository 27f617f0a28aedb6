"""What TaskAligned, SimOTA and DynamicSoftLabel promise, worked out again object by object in NumPy."""

import numpy as np

from labelassign import Reason
from tests.laws.overlaps import expect, images


def regions(assigner, scene, image):
    """Whether each prior lies in each object's box, and near its centre [rows, N]; True where nobody asks."""
    middle = (image.priors[:, :2] + image.priors[:, 2:]) / np.float32(2)
    strides = scene.priors.strides.numpy().astype(np.float32)
    for box in image.objects:
        centre, box = (box[:2] + box[2:]) / np.float32(2), box.copy()
        floor = np.float32(getattr(assigner, "floor", 0.0))
        for axis in (0, 1):
            if box[axis + 2] - box[axis] < floor:
                box[axis], box[axis + 2] = centre[axis] - floor / 2, centre[axis] + floor / 2
        margin = np.minimum(middle - box[:2], box[2:] - middle).min(1)
        inside = margin > np.float32(getattr(assigner, "margin", 0.0))
        reach = (np.float32(assigner.radius) * strides)[:, None] if hasattr(assigner, "region") else np.inf
        near = ((centre - reach < middle) & (middle < centre + reach)).all(1)
        kind = getattr(assigner, "region", "box")
        yield inside | (kind == "centre"), near | (kind == "box")


def chooses(assigner, scene, image):
    """Which priors each object may choose from [rows, N]."""
    own = [inside & near & image.valid for inside, near in regions(assigner, scene, image)]
    own = np.array(own).reshape(len(image.rows), len(image.priors))
    if getattr(assigner, "ranked", "inside") == "every":
        return own, np.broadcast_to(image.valid, own.shape)
    if getattr(assigner, "others", "never") == "never":
        return own, own
    both = getattr(assigner, "region", "box") == "both"
    parts = [(a | b if both else a & b) & image.valid for a, b in regions(assigner, scene, image)]
    return own, np.broadcast_to(np.array(parts).reshape(own.shape).any(0), own.shape)


def condition(assigner, scene, a):
    for i, image in images(scene):
        own, pool = chooses(assigner, scene, image)
        index = a.gt_index[i].numpy()
        for r, row in enumerate(image.rows):
            allowed = own[r] if hasattr(assigner, "ranked") else pool[r]
            allowed = np.ones_like(allowed) if assigner.conflict == "every" else allowed
            assert not ((index == row) & ~allowed).any(), f"row {row} owns priors that it may not choose from"
            most = getattr(assigner, "topk2", None) or (assigner.topk if assigner.conflict == "claimants" else np.inf)
            assert (index == row).sum() <= most, f"row {row} owns more than {most} priors"


def reason(assigner, scene, a):
    for _, image in images(scene):
        _, pool = chooses(assigner, scene, image)
        for r, row in enumerate(image.rows):
            if int(a.per_gt_count[row]):
                expect(a, row, Reason.FINE)
            else:
                expect(a, row, *([Reason.REJECTED, Reason.LOST] if pool[r].any() else [Reason.NO_CANDIDATE]))
