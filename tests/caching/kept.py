"""What the tests of the cache share: comparing bit for bit, and counting what is computed."""

from dataclasses import replace

import labelassign as la
from tests.scenes import grid, ground_truth, predictions

NAMES = ("gt_index", "quality", "cls_target", "cls_weight", "loc_weight", "reason", "offsets")
LAD = la.LAD(la.PAA())


def same(got, want):
    """Equal in every bit of every field; diagnostics are not kept."""
    for name in NAMES:
        a, b = getattr(got, name), getattr(want, name)
        assert (name, a.dtype, a.shape, a.device) == (name, b.dtype, b.shape, b.device)
        assert a.numpy().tobytes() == b.numpy().tobytes(), name
    assert got.diagnostics == {}


def never():
    raise AssertionError("computed, though it should be there")


class Counted:
    """An assignment to be computed, and how often it was."""

    def __init__(self, make):
        self.make, self.times = make, 0

    def __call__(self):
        self.times += 1
        return self.make()


def scene(counts=(3, 0, 5), seed=0, **options):
    """Priors, ground truth and a teacher's predictions."""
    priors = grid(**options)
    return priors, ground_truth(counts, seed=seed), predictions(priors, len(counts), seed=seed + 1)


def lad(priors, gt, teacher):
    return lambda: LAD(priors, gt, teacher=teacher)


def single(index, priors, gt, teacher):
    """One image of a batch, by itself."""
    a, b = gt.offsets[index : index + 2].tolist()
    one = slice(index, index + 1)
    own = la.GroundTruth(gt.boxes[a:b], gt.labels[a:b], gt.offsets[:2] * 0, gt.ignore[a:b])
    own.offsets[1] = b - a
    return priors, own, replace(teacher, boxes=teacher.boxes[one], scores=teacher.scores[one])
