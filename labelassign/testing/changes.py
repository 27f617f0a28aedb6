"""Ways to change a scene so that the answer is known to stay, or to change with it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from labelassign.structures import GroundTruth, Predictions
from labelassign.testing.scene import Scene


def only_image(scene: Scene, image: int) -> tuple[Scene, int]:
    """The scene of one image, and the number of its first ground-truth row."""
    gt, one = scene.gt, slice(image, image + 1)
    first, last = (int(bound) for bound in gt.offsets[image : image + 2])
    priors = scene.priors
    boxes = priors.boxes if priors.boxes.dim() == 2 else priors.boxes[one]
    alone = replace(priors, boxes=boxes, valid=None if priors.valid is None else priors.valid[one])
    rows, offsets = slice(first, last), torch.tensor([0, last - first])
    sizes = None if gt.image_sizes is None else gt.image_sizes[one]
    objects = GroundTruth(gt.boxes[rows], gt.labels[rows], offsets, gt.ignore[rows], sizes)
    mine, other = (_each(p, lambda t: t[one]) for p in (scene.predictions, scene.teacher))
    return Scene(alone, objects, mine, other, scene.step), first


def without_objects(scene: Scene) -> Scene:
    """The same images with nothing in them."""
    gt = scene.gt
    none = GroundTruth(gt.boxes[:0], gt.labels[:0], torch.zeros_like(gt.offsets), gt.ignore[:0], gt.image_sizes)
    return replace(scene, gt=none)


def with_objects(
    gt: GroundTruth, image: int, boxes: Tensor, labels: Tensor, *, ignore: bool
) -> tuple[GroundTruth, Tensor]:
    """More rows at the end of an image's, and where each old row went `[G]`."""
    place, more = int(gt.offsets[image + 1]), boxes.shape[0]

    def insert(old: Tensor, new: Tensor) -> Tensor:
        return torch.cat([old[:place], new.to(old.dtype), old[place:]])

    offsets = gt.offsets + more * (torch.arange(gt.num_images + 1) > image)
    flags = torch.full((more,), ignore)
    old = torch.arange(gt.num_rows)
    moved = old + more * (old >= place)
    grown = GroundTruth(
        insert(gt.boxes, boxes), insert(gt.labels, labels), offsets, insert(gt.ignore, flags), gt.image_sizes
    )
    return grown, moved


def permute_objects(scene: Scene, seed: int) -> tuple[Scene, Tensor]:
    """Rows of each image in another order, and the old row of each new one `[G]`."""
    gt = scene.gt
    random = torch.Generator().manual_seed(seed)
    image = torch.where(gt.in_use, gt.image_of, gt.num_images)
    draw = torch.rand(gt.num_rows, generator=random)
    order = torch.argsort(image.double() + draw * 0.5)
    gt = replace(gt, boxes=gt.boxes[order], labels=gt.labels[order], ignore=gt.ignore[order])
    return replace(scene, gt=gt), order


def permute_priors(scene: Scene, seed: int) -> tuple[Scene, Tensor]:
    """Priors of each level in another order, and the old place of each new one `[N]`."""
    random, priors = torch.Generator().manual_seed(seed), scene.priors
    level = torch.repeat_interleave(torch.arange(len(priors.level_sizes)), torch.tensor(priors.level_sizes))
    order = torch.argsort(level.double() + 0.5 * torch.rand(priors.count, generator=random))
    strides = None if priors.strides is None else priors.strides[order]
    valid = None if priors.valid is None else priors.valid[:, order]
    moved = replace(priors, boxes=priors.boxes[..., order, :], strides=strides, valid=valid)
    mine, other = (_each(p, lambda t: t[:, order]) for p in (scene.predictions, scene.teacher))
    return Scene(moved, scene.gt, mine, other, scene.step), order


def untied(scene: Scene, touching: bool = False) -> Scene:
    """The scene with every corner moved by less than a quarter of a pixel at random, so that nothing is equal.

    Boxes without area grow to an area, and if they shall be `touching`, predicted boxes far to all sides: overlaps of 0
    would all be equal.
    """
    random = torch.Generator().manual_seed(scene.step + 1)

    def shake(boxes: Tensor) -> Tensor:
        flat = ((boxes[..., 2:] - boxes[..., :2]) <= 0).any(-1, keepdim=True)
        grown = boxes + flat * torch.tensor([-5.0, -5.0, 5.0, 5.0])
        return grown + 0.25 * torch.rand(boxes.shape, generator=random) * torch.tensor([-1.0, -1.0, 1.0, 1.0])

    priors, gt = replace(scene.priors, boxes=shake(scene.priors.boxes)), scene.gt
    wide = torch.tensor([-256.0, -256.0, 256.0, 256.0]) * touching
    mine, other = (replace(p, boxes=shake(p.boxes.float()) + wide) for p in (scene.predictions, scene.teacher))
    return Scene(priors, replace(gt, boxes=shake(gt.boxes)), mine, other, scene.step)


def moved(scene: Scene, shift: Sequence[float], factor: float = 1.0) -> Scene:
    """All boxes times `factor` (strides and image sizes, too), then moved by (x, y) pixels."""
    offset = torch.tensor([*shift, *shift])

    def change(boxes: Tensor) -> Tensor:
        return boxes * factor + offset.to(boxes.dtype)

    priors, gt = scene.priors, scene.gt
    strides = None if priors.strides is None else priors.strides * factor
    sizes = None if gt.image_sizes is None else gt.image_sizes * factor
    mine, other = (replace(p, boxes=change(p.boxes)) for p in (scene.predictions, scene.teacher))
    grid = replace(priors, boxes=change(priors.boxes), strides=strides)
    return Scene(grid, replace(gt, boxes=change(gt.boxes), image_sizes=sizes), mine, other, scene.step)


def twin(scene: Scene, shift: float) -> tuple[Scene, Tensor]:
    """Every level twice, the second time `shift` pixels to the right, and where the first ones are `[N]`.

    Over there the two networks change places, so that they do not both say the same again.
    """
    priors, far = scene.priors, moved(scene, (shift, 0.0))
    start = torch.tensor([0, *priors.level_sizes]).cumsum(0)[:-1]
    parts = [torch.arange(size) + first for first, size in zip(start.tolist(), priors.level_sizes, strict=True)]
    order = torch.cat([torch.cat([part, part + priors.count]) for part in parts]).long()
    boxes = torch.cat([priors.boxes, far.priors.boxes], -2)[..., order, :]
    strides = None if priors.strides is None else priors.strides.repeat(2)[order]
    valid = None if priors.valid is None else priors.valid.repeat(1, 2)[:, order]
    sizes = tuple(2 * size for size in priors.level_sizes)
    both = replace(priors, boxes=boxes, level_sizes=sizes, strides=strides, valid=valid)
    mine, other = (
        _each(here, lambda t, u: torch.cat([t, u], 1)[:, order], there)
        for here, there in ((scene.predictions, far.teacher), (scene.teacher, far.predictions))
    )
    near = torch.argsort(order)[: priors.count]
    return Scene(both, scene.gt, mine, other, scene.step), near


def _each(p: Predictions, change: Callable[..., Tensor], *others: Predictions) -> Predictions:
    """The same change of every tensor of some predictions; their layout is not known afterwards."""

    def one(name: str) -> Tensor | None:
        values = [getattr(q, name) for q in (p, *others)]
        return None if values[0] is None else change(*values)

    fields = {name: one(name) for name in ("boxes", "scores", "objectness")}
    return replace(p, **fields, level_sizes=None)
