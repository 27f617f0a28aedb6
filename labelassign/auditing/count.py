"""One assignment, counted: no loop over objects or images, no wait for the device."""

from __future__ import annotations

import torch
from torch import Tensor

from labelassign import checks
from labelassign.auditing import missing
from labelassign.auditing.report import AuditReport
from labelassign.geometry import is_rotated
from labelassign.structures import BACKGROUND, IGNORE, Assignment, GroundTruth, Priors, Reason
from labelassign.structures.targets import count_rows


@torch.no_grad()
def count(
    a: Assignment, gt: GroundTruth, priors: Priors, sizes: tuple[float, ...], most: int, keep: int
) -> AuditReport:
    """The report of one batch."""
    _fits(a, gt, priors)
    per_level = _owned(a.gt_index, priors.level_sizes, gt.num_rows)
    owned, side = per_level.sum(0), _sides(gt.boxes)
    size, real = _place(side, sizes), gt.in_use & ~gt.ignore
    bands, reasons, gone = len(sizes) + 2, len(Reason), real & (owned == 0)
    by_reason = size * reasons + a.reason
    by_count = size * (most + 1) + owned.clamp(max=most)
    return AuditReport(
        torch.full_like(gt.offsets[0], gt.num_images),
        _tally(by_reason, real, bands, reasons),
        _tally(by_reason, gone, bands, reasons),
        _tally(by_count, real, bands, most + 1),
        per_level.new_zeros(len(priors.level_sizes), bands).index_add(1, size, per_level),
        _roles(a.gt_index, priors.level_sizes),
        *missing.collect(gone, gt, a.reason, side, keep),
        sizes,
    )


def _fits(a: Assignment, gt: GroundTruth, priors: Priors) -> None:
    who, fix = "Audit.add", "Pass the ground truth and the priors of the call that made the assignment."
    images, count = a.gt_index.shape
    checks.equal(who, "number of images", {"assignment": images, "ground truth": gt.num_images}, fix)
    checks.equal(who, "number of rows", {"assignment": a.reason.shape[0], "ground truth": gt.num_rows}, fix)
    checks.equal(who, "number of priors", {"assignment": count, "priors": priors.count}, fix)
    checks.same_device(who, (("assignment", a.gt_index), ("ground truth", gt.boxes)))
    if not checks.values_visible(a.gt_index):
        return
    for name, values, low, end in (("gt_index", a.gt_index, IGNORE, gt.num_rows), ("reason", a.reason, 0, len(Reason))):
        if values.numel() and not low <= int(values.min()) <= int(values.max()) < end:
            checks.fail(who, f"`{name}` in {low}..{end - 1}", f"{int(values.min())}..{int(values.max())}", fix)


def _sides(boxes: Tensor) -> Tensor:
    """Square root of the area in pixels `[G]`, float64 as its bounds are; NaN for a box that has none."""
    boxes = boxes.double()
    width, height = (boxes[:, 2:4] if is_rotated(boxes) else boxes[:, 2:] - boxes[:, :2]).unbind(1)
    side = (width * height).sqrt()
    return torch.where((width >= 0) & (height >= 0) & torch.isfinite(side), side, torch.nan)


def _place(side: Tensor, sizes: tuple[float, ...]) -> Tensor:
    """Which interval a size lies in; the last one is for those without a size."""
    place = torch.stack([side >= bound for bound in sizes]).sum(0)
    return torch.where(torch.isnan(side), len(sizes) + 1, place)


def _owned(gt_index: Tensor, level_sizes: tuple[int, ...], rows: int) -> Tensor:
    """Priors of every level that each row owns `[L, G]`."""
    parts = [count_rows(part, rows) for part in gt_index.split(level_sizes, 1)] if level_sizes else []
    return torch.stack(parts) if parts else gt_index.new_zeros(0, rows)


def _roles(gt_index: Tensor, level_sizes: tuple[int, ...]) -> Tensor:
    """Positive, background and ignored priors of every level `[L, 3]`."""
    roles = [gt_index >= 0, gt_index == BACKGROUND, gt_index == IGNORE]
    parts = [part.sum() for role in roles for part in role.split(level_sizes, 1)] if level_sizes else []
    return torch.stack(parts).reshape(3, -1).T.contiguous() if parts else gt_index.new_zeros(0, 3)


def _tally(key: Tensor, of: Tensor, rows: int, columns: int) -> Tensor:
    """How often each key occurs among the rows marked in `of`, as a table."""
    return count_rows(torch.where(of, key, -1), rows * columns).reshape(rows, columns)
