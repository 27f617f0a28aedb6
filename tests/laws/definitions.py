"""What MaxIoU, ATSS and PAA promise, worked out again object by object in NumPy."""

import itertools

import numpy as np

import labelassign as la
from labelassign import Reason
from tests.laws.overlaps import claims, expect, f32, images, iou, overlaps

# ------------------------------------------------------------------------------------------------ MaxIoU


def max_iou_condition(assigner, scene, a):
    for i, image in images(scene):
        found, _ = overlaps(image)
        claimed = claims(assigner, image)
        for n in np.flatnonzero(a.positive[i].numpy()):
            r = image.rows.index(int(a.gt_index[i, n]))
            argmax = r == found[:, n].argmax()
            rescued = claimed[r, n] if assigner.low_quality == "force_gt" else claimed[:, n].any() and argmax
            assert rescued or (argmax and found[r, n] >= assigner.pos_iou), f"prior {n} of image {i}: IoU {found[r, n]}"


def max_iou_reason(assigner, scene, a):
    for i, image in images(scene):
        found, best = overlaps(image)
        claimed = claims(assigner, image)
        for r, row in enumerate(image.rows):
            owned = np.flatnonzero(a.gt_index[i].numpy() == row)
            plainly = [n for n in owned if found[r, n] >= assigner.pos_iou and r == found[:, n].argmax()]
            if len(owned):
                true = Reason.FINE if plainly else Reason.RESCUED
            elif best[r] >= assigner.pos_iou or claimed[r].any():
                true = Reason.LOST
            else:
                true = Reason.REJECTED if best[r] > 0 else Reason.NO_CANDIDATE
            expect(a, row, true)


# ------------------------------------------------------------------------------------------------ ATSS


def atss_kept(assigner, scene, image):
    """For each object: its candidates, and those it would keep, as sets of priors."""
    topk = assigner.topk * (scene.priors.per_cell if assigner.times_per_cell else 1)
    edges = np.cumsum([0, *scene.priors.level_sizes])
    middle = (image.priors[:, :2] + image.priors[:, 2:]) / 2
    for r, box in enumerate(image.objects):
        offset = middle - (box[:2] + box[2:]) / 2
        distance = offset[:, 0] * offset[:, 0] + offset[:, 1] * offset[:, 1]
        near = []
        for first, last in itertools.pairwise(edges):
            level = [n for n in range(first, last) if image.valid[n]]
            near += sorted(level, key=lambda n: (distance[n], n))[:topk]
        value = iou(image.objects[r : r + 1], image.priors)[0]
        sample = value[near].astype(np.float64)
        threshold = f32(sample.mean() + (sample.std(ddof=1) if len(near) > 1 else 0.0)) if near else f32(0)
        if len(near) == 1 and not assigner.keep_single:
            threshold = f32(np.inf)
        margin = np.minimum(middle - box[:2], box[2:] - middle).min(1)
        yield near, {n for n in near if value[n] >= threshold and margin[n] > assigner.margin}


def atss_condition(assigner, scene, a):
    for i, image in images(scene):
        kept = dict(zip(image.rows, (kept for _, kept in atss_kept(assigner, scene, image)), strict=True))
        for n in np.flatnonzero(a.positive[i].numpy()):
            assert n in kept[int(a.gt_index[i, n])], (
                f"prior {n} of image {i} is below its object's threshold or outside"
            )


def atss_reason(assigner, scene, a):
    for _, image in images(scene):
        for row, (near, kept) in zip(image.rows, atss_kept(assigner, scene, image), strict=True):
            missing = Reason.NO_CANDIDATE if not near else Reason.LOST if kept else Reason.REJECTED
            expect(a, row, Reason.FINE if int(a.per_gt_count[row]) else missing)


# ------------------------------------------------------------------------------------------------ PAA


def paa_candidates(assigner, image):
    """Which priors each object may choose from [rows, N]."""
    found, _ = overlaps(image)
    wanted, enough = claims(assigner, image), found >= assigner.pos_iou
    if assigner.shared == "overlap":
        return wanted | enough
    first = np.arange(len(found))[:, None] == found.argmax(0) if len(found) else enough
    owner = first & enough
    if assigner.low_quality == "restore_argmax":
        return owner | (first & wanted.any(0))
    rank = np.arange(len(found))[:, None] if assigner.last_row_wins else found
    ranked = np.where(wanted, rank, -1.0)
    winner = (np.arange(len(found))[:, None] == ranked.argmax(0)) & wanted if len(found) else wanted
    return np.where(wanted.any(0), winner, owner)


def paa_condition(assigner, scene, a):
    edges = np.cumsum([0, *scene.priors.level_sizes])
    for i, image in images(scene):
        candidates, index = paa_candidates(assigner, image), a.gt_index[i].numpy()
        for r, row in enumerate(image.rows):
            owned = index == row
            assert not (owned & ~candidates[r]).any(), f"row {row} owns priors that it may not choose from"
            most = max(owned[first:last].sum() for first, last in itertools.pairwise(edges))
            assert most <= assigner.topk, f"row {row} owns {most} priors of one level"


def paa_reason(assigner, scene, a):
    for _, image in images(scene):
        candidates, (_, best) = paa_candidates(assigner, image), overlaps(image)
        claimed = claims(assigner, image)
        for r, row in enumerate(image.rows):
            if int(a.per_gt_count[row]):
                expect(a, row, Reason.FINE)
            elif candidates[r].any():
                expect(a, row, Reason.REJECTED, *([Reason.LOST] if assigner.shared == "overlap" else []))
            else:
                wanted = claimed[r].any() or best[r] >= assigner.pos_iou
                expect(a, row, Reason.LOST if wanted else Reason.NO_CANDIDATE)


def inner(assigner):
    """The assigner that makes the candidates."""
    return inner(assigner.assigner) if isinstance(assigner, (la.LAD, la.CoLAD)) else assigner


def paa_tied(assigner, scene):
    """Whether a prior costs two objects the same but for float32's rounding, as where its box touches neither."""
    deciding = scene.teacher if "teacher" in assigner.needs else scene.predictions
    found = inner(assigner)._propose(scene.priors, scene.gt, deciding)
    prior, cost = (each.flatten(1).tolist() for each in (found.prior, found.cost))
    seen = {}
    for row, image in enumerate(scene.gt.image_of.tolist()):
        for place, paid in zip(prior[row], cost[row], strict=True):
            others = seen.setdefault((image, place), [])
            if place >= 0 and any(abs(paid - other) <= 1e-6 * (1 + abs(paid)) for other in others):
                return True
            others.append(paid)
    return False
