"""Laws about the answer by itself: that it is well formed, complete, finite, and leaves its input alone."""

from __future__ import annotations

from dataclasses import fields, replace

import torch
from torch import Tensor

from labelassign.structures import BACKGROUND, IGNORE, Assignment, GroundTruth
from labelassign.structures.record import Record
from labelassign.testing import same
from labelassign.testing.changes import without_objects
from labelassign.testing.networks import spoil
from labelassign.testing.scene import Scene
from labelassign.testing.subject import Subject, answer, law


def _check_form(a: Assignment, scene: Scene) -> None:
    gt, shape = scene.gt, (scene.gt.num_images, scene.priors.count)
    index = a.gt_index
    assert index.dtype == torch.int64, f"gt_index is {index.dtype}"
    assert a.reason.dtype == torch.int8, f"reason is {a.reason.dtype}"
    assert tuple(index.shape) == shape, f"gt_index has shape {list(index.shape)}"
    assert tuple(a.reason.shape) == (gt.num_rows,), f"reason has shape {list(a.reason.shape)}"
    same.equal("offsets", a.offsets, gt.offsets)
    low, high = gt.offsets[:-1, None], gt.offsets[1:, None]
    own = (index >= low) & (index < high)
    assert bool((own | (index == BACKGROUND) | (index == IGNORE)).all()), "a prior learns an object of another image"
    owned = torch.cat([index[a.positive], index.new_zeros(0)])
    assert not bool(gt.ignore[owned].any()), "an ignored region owns a prior"
    for name in ("quality", "cls_target", "cls_weight", "loc_weight"):
        value: Tensor = getattr(a, name)
        assert value.dtype == torch.float32, f"{name} is {value.dtype}"
        assert tuple(value.shape) == shape, f"{name} has shape {list(value.shape)}"
        assert bool((value >= 0).all() & value.isfinite().all()), f"{name} is negative, NaN or infinite"
    for name in ("quality", "cls_target"):
        assert bool((getattr(a, name) <= 1).all()), f"{name} is above 1"
    for name in ("cls_target", "loc_weight"):
        assert not bool(getattr(a, name)[~a.positive].any()), f"{name} of a prior that is not positive is not 0"
    assert not bool(a.cls_weight[a.ignored].any()), "cls_weight of an ignored prior is not 0"
    if scene.priors.valid is not None:
        assert bool(a.ignored[~scene.priors.valid].all()), "an invalid prior is not ignored"
    for name, value in a.diagnostics.items():
        assert bool(value.isfinite().all()), f"diagnostics[{name!r}] is not finite"


@law
def well_formed(subject: Subject, scene: Scene) -> None:
    """Rows of the own image only; weights and qualities finite and in range, 0 where they must; invalid is IGNORE."""
    _check_form(answer(subject.assigner, scene), scene)


@law
def empty_image(subject: Subject, scene: Scene) -> None:
    """Without objects every prior is background; IGNORE if it is invalid or lies in an ignored region."""
    a, gt = answer(subject.assigner, scene), scene.gt
    for image in range(gt.num_images):
        rows = slice(*gt.offsets[image : image + 2].tolist())
        if bool(gt.ignore[rows].all()):
            assert not bool(a.positive[image].any()), f"image {image} has no object and a positive"
    empty = without_objects(scene)
    nothing, valid = empty.assign(subject.assigner), scene.priors.valid
    want = torch.full_like(nothing.gt_index, BACKGROUND)
    same.equal("gt_index", nothing.gt_index, want if valid is None else torch.where(valid, want, IGNORE))
    _check_form(nothing, empty)


@law
def purity(subject: Subject, scene: Scene) -> None:
    """Inputs stay as they are, a second call gives the same bits, and no output shares memory with an input."""
    records = (scene.priors, scene.gt, scene.predictions, scene.teacher)
    before = [tensor.clone() for tensor in _tensors(records)]
    a, again = answer(subject.assigner, scene), scene.assign(subject.assigner)
    for was, tensor in zip(before, _tensors(records), strict=True):
        same.equal("input", tensor, was)
    same.same(again, a, exact=True)
    taken = {tensor.untyped_storage().data_ptr() for tensor in _tensors(records) if tensor.numel()}
    outputs = [t for t in _tensors((again,)) if t.numel()]
    assert not any(t.untyped_storage().data_ptr() in taken for t in outputs), "an output shares memory with an input"


def _tensors(records: tuple[Record, ...]) -> list[Tensor]:
    values = [getattr(record, f.name) for record in records for f in fields(record)]  # pyright: ignore
    nested = [list(v.values()) if isinstance(v, dict) else [v] for v in values]
    return [t for group in nested for t in group if isinstance(t, Tensor)]


@law
def constructors(subject: Subject, scene: Scene) -> None:
    """Lists and padded arrays give the same ground truth, and what padding rows hold changes nothing."""
    gt, images = scene.gt, scene.gt.to_list()
    listed = GroundTruth.from_list(images)
    used = int(gt.offsets[-1])
    most = max(len(image["labels"]) for image in images)
    padded = [_padded([image[key] for image in images], most) for key in ("boxes", "labels", "ignore")]
    counts = torch.tensor([len(image["labels"]) for image in images])
    from_padded = GroundTruth.from_padded(padded[0], padded[1], counts)
    for name in ("boxes", "labels", "offsets"):
        want = getattr(gt, name) if name == "offsets" else getattr(gt, name)[:used]
        same.equal(f"from_list: {name}", getattr(listed, name), want)
        same.equal(f"from_padded: {name}", getattr(from_padded, name), want)
    same.equal("from_list: ignore", listed.ignore, gt.ignore[:used])
    # padding of any value, in rows that a pool of memory may have held before
    rubbish = GroundTruth(
        torch.cat([listed.boxes, torch.full((2, 4), float("nan")), torch.full((1, 4), 50.0)]),
        torch.cat([listed.labels, torch.tensor([-7, 2**40, 0])]),
        gt.offsets,
        torch.cat([listed.ignore, torch.tensor([False, True, True])]),
    )
    a = replace(scene, gt=rubbish).assign(subject.assigner)
    want = answer(subject.assigner, scene)
    same.same_priors(a, want)
    same.equal("reason", a.reason[:used], want.reason[:used])


def _padded(parts: list[Tensor], rows: int) -> Tensor:
    return torch.stack([torch.cat([p, p.new_zeros(rows - len(p), *p.shape[1:])]) for p in parts])


@law
def finiteness(subject: Subject, scene: Scene) -> None:
    """NaN, infinities and 1e30 in the predictions raise nothing, give a well-formed answer, and never win a prior."""
    share = (0.1, 0.5, 4.0)[scene.step % 3]
    mine, other = (spoil(p, scene.step + i, share) for i, p in enumerate((scene.predictions, scene.teacher)))
    hostile = replace(scene, predictions=mine, teacher=other)
    a = hostile.assign(subject.assigner)
    _check_form(a, hostile)
    wanted = [p for name, p in (("predictions", mine), ("teacher", other)) if name in subject.assigner.needs]
    if wanted:
        sound = [p.boxes.isfinite().all(-1) & p.scores.isfinite().all(-1) for p in wanted]
        assert bool(torch.stack(sound).any(0)[a.positive].all()), "a non-finite prediction won a prior"
