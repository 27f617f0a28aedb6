"""What FCOS and Uniform promise, worked out again object by object in NumPy."""

from dataclasses import dataclass

import numpy as np

from labelassign import Reason
from tests.laws.overlaps import expect, f32, images, iou

# -------------------------------------------------------------------------------------------------- FCOS


def fcos_ranges(assigner, priors):
    """Lowest and highest distance of every prior."""
    strides = priors.strides.numpy()
    low, high = 4 * strides, 8 * strides
    held = [size for size in priors.level_sizes if size]
    low[: held[0]], high[len(high) - held[-1] :] = 0, np.inf
    return low, high


def fcos_pairs(assigner, scene, image):
    """Which priors lie in each object's area, and which may learn it [rows, N]."""
    low, high = fcos_ranges(assigner, scene.priors)
    reach = f32(assigner.radius) * scene.priors.strides.numpy() if assigner.center_sampling else np.inf
    points = (image.priors[:, :2] + image.priors[:, 2:]) / 2
    near, fits = [], []
    for box in image.objects:
        off = np.abs(points - (box[:2] + box[2:]) / 2).max(1)
        sides = np.concatenate([points - box[:2], box[2:] - points], 1)
        near.append((sides.min(1) > 0) & (off < reach) & image.valid)
        far = sides.max(1)
        open_ends = assigner.rule == "torchvision"
        fits.append((far > low) & (far < high) if open_ends else (far >= low) & (far <= high))
    return np.array(near), np.array(near) & np.array(fits)


def fcos_size(assigner, image):
    area = (image.objects[:, 2] - image.objects[:, 0]) * (image.objects[:, 3] - image.objects[:, 1])
    return -(f32(1e8) - area) if assigner.rule == "torchvision" else area


def fcos_condition(assigner, scene, a):
    for i, image in images(scene):
        if image.rows:
            _, match = fcos_pairs(assigner, scene, image)
            smallest = np.where(match, fcos_size(assigner, image)[:, None], np.inf).argmin(0)
            owner = np.where(match.any(0), np.array(image.rows)[smallest], -1)
            positive = a.positive[i].numpy()
            assert (a.gt_index[i].numpy()[positive] == owner[positive]).all(), f"image {i}: not the smallest in range"
            assert (positive == match.any(0)).all(), f"image {i}: priors without their object"


def fcos_reason(assigner, scene, a):
    for _, image in images(scene):
        if not image.rows:
            continue
        for row, near, match in zip(image.rows, *fcos_pairs(assigner, scene, image), strict=True):
            missing = Reason.LOST if match.any() else Reason.REJECTED if near.any() else Reason.NO_CANDIDATE
            expect(a, row, Reason.FINE if int(a.per_gt_count[row]) else missing)


# ----------------------------------------------------------------------------------------------- Uniform


@dataclass(frozen=True)
class Choice:
    """What one object takes: priors by prediction and by place, nearest first, and the distance to each."""

    predicted: list[int]
    placed: list[int]
    distance: dict[int, float]
    overlap: np.ndarray

    def kept(self, assigner):
        return {n for n in (*self.predicted, *self.placed) if self.overlap[n] >= assigner.pos_ignore}


def _form(boxes):
    boxes = boxes.astype(np.float64)
    return np.concatenate([(boxes[..., :2] + boxes[..., 2:]) / 2, boxes[..., 2:] - boxes[..., :2]], -1)


def uniform_choices(assigner, scene, i, image):
    """The choice of every object of an image."""
    boxes = scene.predictions.boxes[i].float().numpy()
    free = image.valid & np.isfinite(boxes).all(1) & scene.predictions.scores[i].isfinite().all(1).numpy()
    for r, box in enumerate(image.objects):
        lists, distance = [], {}
        for place in (boxes, image.priors):
            far = np.abs(_form(place) - _form(box)).sum(1).astype(f32)
            order = sorted(np.flatnonzero(free).tolist(), key=lambda n, far=far: (far[n], n))[: assigner.match_times]
            lists.append(order)
            distance |= {n: min(float(far[n]), distance.get(n, np.inf)) for n in order}
        yield Choice(*lists, distance, iou(image.priors, image.objects[r : r + 1])[:, 0])


def uniform_owner(assigner, choices):
    """Row (inside the image) of every prior that anybody takes, or None where it is left out."""
    owner = {}
    if assigner.last_write_wins:
        for rank in range(assigner.match_times):
            for side in ("predicted", "placed"):
                for r, choice in enumerate(choices):
                    for n in getattr(choice, side)[rank : rank + 1]:
                        owner[n] = r if n in choice.kept(assigner) else None
        return owner
    for n in {n for choice in choices for n in choice.distance}:
        keep = [(c.distance[n], r) for r, c in enumerate(choices) if n in c.kept(assigner)]
        owner[n] = min(keep)[1] if keep else None
    return owner


def uniform_condition(assigner, scene, a):
    for i, image in images(scene):
        owner = uniform_owner(assigner, list(uniform_choices(assigner, scene, i, image)))
        want = {n: image.rows[r] for n, r in owner.items() if r is not None}
        found = {n: int(a.gt_index[i, n]) for n in np.flatnonzero(a.positive[i].numpy()).tolist()}
        assert found == want, f"image {i}: owners {found} instead of {want}"
        left = [n for n, r in owner.items() if r is None]
        assert bool(a.ignored[i, left].all()), f"image {i}: priors {left} overlap too little, and are in the loss"


def uniform_reason(assigner, scene, a):
    for i, image in images(scene):
        for row, choice in zip(image.rows, uniform_choices(assigner, scene, i, image), strict=True):
            kept, taken = choice.kept(assigner), choice.distance
            missing = Reason.LOST if kept else Reason.REJECTED if taken else Reason.NO_CANDIDATE
            expect(a, row, Reason.FINE if int(a.per_gt_count[row]) else missing)
