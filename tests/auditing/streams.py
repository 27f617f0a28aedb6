"""Streams of invented assignments, and the plain Python that counts them."""

import math
import random
from dataclasses import dataclass

import torch
from hypothesis import strategies as st

import labelassign as la

LEVELS = (5, 0, 3)
INF, NAN = math.inf, math.nan
BOXES = [
    *([0, 0, side, side] for side in (0, 8, 31.875, 32, 40, 96, 200)),
    [0, 0, 16, 64],  # 32 by area, like the square
    [10, 10, 5, 90],
    [10, 10, 5, 5],  # turned over twice: its area is positive
    [NAN, 0, 5, 5],
    [0, 0, INF, 5],
    [-3e38, 0, 3e38, 4],  # the side is beyond float32
]


@dataclass(frozen=True)
class Image:
    """Objects of one image, and the row that every prior learns (-1 background, -2 ignored)."""

    boxes: list
    ignore: list
    reasons: list
    owners: list


@st.composite
def images(draw, most=6):
    """A few images of which any may be empty; rows may have any reason, also an untrue one."""
    drawn = random.Random(draw(st.integers(0, 2**32)))
    return [_image(drawn) for _ in range(draw(st.integers(0, most)))]


def _image(drawn):
    rows = drawn.choice((0, 1, 2, 5))
    ignore = [drawn.random() < 0.2 for _ in range(rows)]
    able = [row for row in range(rows) if not ignore[row]]
    owners = [drawn.choice([-1, -2, *able, *able[:1] * 3]) for _ in range(sum(LEVELS))]
    return Image([drawn.choice(BOXES) for _ in range(rows)], ignore, drawn.choices(range(9), k=rows), owners)


def batch(images, padding=0):
    """Records of these images: assignment, ground truth, priors."""
    offsets = torch.tensor([0, *(len(image.boxes) for image in images)]).cumsum(0)
    boxes = torch.tensor([box for image in images for box in image.boxes], dtype=torch.float32).reshape(-1, 4)
    ignore = torch.tensor([flag for image in images for flag in image.ignore], dtype=torch.bool)
    reason = torch.tensor([code for image in images for code in image.reasons] + [7] * padding, dtype=torch.int8)
    gt = la.GroundTruth(boxes, torch.zeros(len(boxes), dtype=torch.int64), offsets, ignore)
    owner = torch.tensor([image.owners for image in images], dtype=torch.int64).reshape(-1, sum(LEVELS))
    owner = torch.where(owner >= 0, owner + offsets[:-1, None], owner)
    like = torch.zeros(owner.shape)
    a = la.Assignment(owner, like, like, like, like, reason, offsets, {})
    return a, gt.pad_to(gt.num_rows + padding), la.Priors(torch.zeros(sum(LEVELS), 4), LEVELS)


def audited(*batches, **options):
    """The report of these batches."""
    audit = la.Audit(**options)
    for each in batches:
        audit.add(*each)
    return audit.report


def slow(images, sizes, most, keep):
    """What `AuditReport.to_dict` has to say about these images, by loops over everything."""
    bands, levels = len(sizes) + 2, [level for level, size in enumerate(LEVELS) for _ in range(size)]
    objects, without = ([[0] * len(la.Reason) for _ in range(bands)] for _ in range(2))
    histogram, missing = [[0] * (most + 1) for _ in range(bands)], []
    positives, priors = [[0] * bands for _ in LEVELS], [[0] * 3 for _ in LEVELS]
    for number, image in enumerate(images):
        sides = [side(box) for box in image.boxes]
        for level, owner in zip(levels, image.owners, strict=True):
            priors[level][{-1: 1, -2: 2}.get(owner, 0)] += 1
            if owner >= 0:
                positives[level][band(sides[owner], sizes)] += 1
        for row, (size, code) in enumerate(zip(sides, image.reasons, strict=True)):
            if image.ignore[row]:
                continue
            place, owned = band(size, sizes), image.owners.count(row)
            objects[place][code] += 1
            histogram[place][min(owned, most)] += 1
            if not owned:
                without[place][code] += 1
                missing.append([number, row, code, None if size is None else float(torch.tensor(size))])
    counts = {"images": len(images), "objects": objects, "without": without, "histogram": histogram}
    lists = {"missing": missing[:keep], "keep": keep, "sizes": list(sizes)}
    return {**counts, "positives": positives, "priors": priors, **lists}


def side(box):
    """Square root of the area, or None."""
    width, height = box[2] - box[0], box[3] - box[1]
    return math.sqrt(width * height) if 0 <= width < INF and 0 <= height < INF else None


def band(size, sizes):
    """The interval that a size lies in."""
    return len(sizes) + 1 if size is None else sum(size >= bound for bound in sizes)
