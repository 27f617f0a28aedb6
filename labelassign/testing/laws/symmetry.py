"""Laws about what must not matter: other images, order, place, size, and objects far away."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor

from labelassign.structures import BACKGROUND, IGNORE, Assignment, Reason
from labelassign.testing import changes, same
from labelassign.testing.scene import Scene
from labelassign.testing.subject import Subject, answer, law

_untied = lru_cache(maxsize=4)(changes.untied)


def _without_ties(name: str, subject: Subject, scene: Scene) -> Scene | None:
    clear = _untied(scene, subject.touching)
    return None if name in subject.tied and subject.tied[name](clear) else clear


def _renamed(index: Tensor, names: Tensor) -> Tensor:
    """Owners under the new names of the rows; BACKGROUND and IGNORE stay."""
    padded = torch.cat([names, names.new_zeros(1)])
    return torch.where(index >= 0, padded[index.clamp(min=0)], index)


@law
def image_by_image(subject: Subject, scene: Scene) -> None:
    """A batch gives every image what the image gets alone."""
    whole = answer(subject.assigner, scene)
    if scene.gt.num_images == 1:
        return
    for image in range(scene.gt.num_images):
        alone, first = changes.only_image(scene, image)
        a, part = alone.assign(subject.assigner), slice(image, image + 1)
        want = replace(whole, **{name: getattr(whole, name)[part] for name in _DENSE})
        rows = slice(first, first + alone.gt.num_rows)
        index = torch.where(want.gt_index >= 0, want.gt_index - first, want.gt_index)
        same.same_priors(a, want, index=index)
        same.equal(f"reason in image {image}", a.reason, whole.reason[rows])


_DENSE = ("gt_index", "quality", "cls_target", "cls_weight", "loc_weight")


@law
def permuted_objects(subject: Subject, scene: Scene) -> None:
    """Without ties, the order of an image's objects changes nothing but their numbers."""
    clear = _without_ties("permuted_objects", subject, scene)
    if clear is None:
        return
    shuffled, order = changes.permute_objects(clear, scene.step)
    a, want = shuffled.assign(subject.assigner), answer(subject.assigner, clear)
    same.same_priors(a, want, index=_renamed(want.gt_index, torch.argsort(order)))
    same.equal("reason", a.reason, want.reason[order])


@law
def permuted_priors(subject: Subject, scene: Scene) -> None:
    """Without ties, the order of the priors inside a level changes nothing but their numbers."""
    clear = _without_ties("permuted_priors", subject, scene)
    if clear is None:
        return
    shuffled, order = changes.permute_priors(clear, scene.step)
    a, want = shuffled.assign(subject.assigner), answer(subject.assigner, clear)
    same.same_priors(a, replace(want, **{name: getattr(want, name)[:, order] for name in _DENSE}))
    same.equal("reason", a.reason, want.reason)


def _unmoved(subject: Subject, scene: Scene, other: Scene, factor: float = 1.0) -> None:
    assigner = subject.assigner
    if factor != 1.0 and subject.scaled is not None:
        assigner = subject.scaled(assigner, factor)
    same.same(other.assign(assigner), answer(subject.assigner, scene))


@law
def translation(subject: Subject, scene: Scene) -> None:
    """Moving priors, objects and predictions together changes nothing (on a lattice, where it is exact)."""
    _unmoved(subject, scene, changes.moved(scene, ((-37.125, 1024.0, 0.5)[scene.step % 3], 96.875)))


@law
def scaling(subject: Subject, scene: Scene) -> None:
    """Scaling by a power of two (and the method's constants in pixels with it) changes nothing."""
    factor = (2.0, 0.25, 16.0)[scene.step % 3]
    _unmoved(subject, scene, changes.moved(scene, (0.0, 0.0), factor), factor)


@law
def far_object(subject: Subject, scene: Scene) -> None:
    """More objects far away, with priors of their own there, change nothing here."""
    island, near = changes.twin(scene, 2.0**14)
    gt, image = scene.gt, scene.step % scene.gt.num_images
    rows = slice(*gt.offsets[image : image + 2].tolist())
    boxes = torch.cat([gt.boxes[rows], torch.tensor([[16.0, 16.0, 80.0, 64.0]])])
    labels = torch.cat([gt.labels[rows], gt.labels.new_zeros(1)])
    more, moved = changes.with_objects(gt, image, boxes + 2.0**14 * _X, labels, ignore=False)
    without, a = island.assign(subject.assigner), replace(island, gt=more).assign(subject.assigner)
    want = _at(without, near)
    same.same_priors(_at(a, near), want, index=_renamed(want.gt_index, moved))
    same.equal("reason", a.reason[moved], without.reason)


_X = torch.tensor([1.0, 0.0, 1.0, 0.0])


def _at(a: Assignment, place: Tensor) -> Assignment:
    return replace(a, **{name: getattr(a, name)[:, place] for name in _DENSE})


@law
def ignored_region(subject: Subject, scene: Scene) -> None:
    """An ignored region owns nothing, and does nothing but turn background into IGNORE."""
    gt, image = scene.gt, scene.step % scene.gt.num_images
    region = torch.tensor([[(0.0, 48.5)[scene.step % 2], 20.0, 130.25, 90.0]])
    more, moved = changes.with_objects(gt, image, region, gt.labels.new_zeros(1), ignore=True)
    a, want = replace(scene, gt=more).assign(subject.assigner), answer(subject.assigner, scene)
    index = _renamed(want.gt_index, moved)
    covered = (index == BACKGROUND) & (a.gt_index == IGNORE)
    same.equal("gt_index", torch.where(covered, BACKGROUND, a.gt_index), index)
    for name in ("quality", "cls_target", "loc_weight"):
        same.close(name, getattr(a, name), getattr(want, name))
    same.equal("reason", a.reason[moved], want.reason)
    added = a.reason[gt.offsets[image + 1]]
    assert int(added) == Reason.IGNORED, f"the ignored region has the reason {Reason(int(added)).name}"
