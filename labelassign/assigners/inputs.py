"""Checks of a call's arguments: metadata always, values in eager mode on the CPU."""

from __future__ import annotations

from labelassign import checks
from labelassign.geometry import is_rotated
from labelassign.structures import GroundTruth, Predictions, Priors
from labelassign.structures.rows import refuse_bad_rows, surely_well_formed


def check(
    who: str,
    needs: frozenset[str],
    priors: Priors,
    gt: GroundTruth,
    predictions: Predictions | None,
    teacher: Predictions | None,
    step: object,
) -> None:
    """Raise for arguments that do not fit the assigner or one another."""
    if not isinstance(priors, Priors):  # pyright: ignore[reportUnnecessaryIsInstance]
        checks.fail(who, "`priors` as Priors", checks.describe(priors), "Make them with `Priors.grid`.", TypeError)
    if not isinstance(gt, GroundTruth):  # pyright: ignore[reportUnnecessaryIsInstance]
        fix = "Make it with `GroundTruth.from_list`."
        checks.fail(who, "`gt` as GroundTruth", checks.describe(gt), fix, TypeError)
    given = {"predictions": predictions, "teacher": teacher, "step": step}
    for name in sorted(needs):
        if given[name] is None:
            checks.fail(who, f"`{name}` (it needs {', '.join(sorted(needs))})", f"{name}=None", f"Pass `{name}=`.")
    if priors.kind == "queries" and predictions is None and teacher is None:
        checks.fail(who, "predictions with query priors", "none", "Queries have no boxes of their own; pass some.")
    _batch(who, priors, gt)
    for name, network in (("predictions", predictions), ("teacher", teacher)):
        if network is not None:
            _network(who, name, network, priors, gt)
    if predictions is not None and teacher is not None:
        found = {"predictions": predictions.num_classes, "teacher": teacher.num_classes}
        checks.equal(who, "number of classes", found, "Both networks must know the same classes.")
    if checks.values_visible(gt.boxes):
        network = teacher if predictions is None else predictions
        classes = None if network is None else network.num_classes
        if not surely_well_formed(gt.boxes, gt.labels, classes):
            bad = gt.in_use & ~gt.ignore & ~gt.well_formed(classes)
            refuse_bad_rows(who, gt.boxes, gt.labels, gt.offsets, bad, classes)


def check_kinds(
    who: str,
    takes_rotated: bool,
    priors: Priors,
    gt: GroundTruth,
    predictions: Predictions | None,
    teacher: Predictions | None,
) -> None:
    """Raise for rotated boxes where the assigner takes none, and for upright boxes beside rotated ones."""
    given = {"priors": priors, "gt": gt, "predictions": predictions, "teacher": teacher}
    found = {name: is_rotated(record.boxes) for name, record in given.items() if record is not None}
    names = {name: "rotated (xywhr)" if turned else "upright (xyxy)" for name, turned in found.items()}
    if any(found.values()) and not takes_rotated:
        fix = "MaxIoU, ATSS and TaskAligned take rotated ones; LAD, CoLAD, Rescue and Warmup do over these."
        checks.fail(who, "upright boxes (xyxy)", names, fix)
    if gt.num_rows == 0:  # nothing: of either kind
        del found["gt"]
    if not found.get("priors"):  # upright priors stand for themselves at angle 0
        found.pop("priors", None)
    fix = "Give upright boxes as centre, sides and angle 0; only priors may stay upright beside rotated objects."
    if len(set(found.values())) > 1:
        checks.fail(who, "boxes of one kind", names, fix)


def check_places(who: str, priors: Priors, strides: bool) -> None:
    """Raise for queries and, where the method counts in `strides`, for priors without."""
    if priors.kind == "queries":
        checks.fail(who, "priors with a place in the image", "queries", "Use Hungarian for queries.")
    if strides and priors.strides is None:
        fix = "Make them with `Priors.grid` or `Priors.points`, or pass `strides=`."
        checks.fail(who, "priors with `strides`, in which its radius counts", "strides=None", fix)


def _batch(who: str, priors: Priors, gt: GroundTruth) -> None:
    images: dict[str, object] = {"gt": gt.num_images}
    if priors.boxes.dim() == 3:
        images["priors.boxes"] = priors.boxes.shape[0]
    if priors.valid is not None:
        images["priors.valid"] = priors.valid.shape[0]
    checks.equal(who, "number of images", images, "Pass records of one batch.")
    checks.same_device(who, (("priors", priors.boxes), ("gt", gt.boxes)))


def _network(who: str, name: str, network: Predictions, priors: Priors, gt: GroundTruth) -> None:
    if not isinstance(network, Predictions):  # pyright: ignore[reportUnnecessaryIsInstance]
        fix = "Make them with `Predictions.from_levels`."
        checks.fail(who, f"`{name}` as Predictions", checks.describe(network), fix, TypeError)
    checks.equal(who, "number of images", {"gt": gt.num_images, name: network.boxes.shape[0]}, "Use one batch.")
    same = "Both networks must predict over one grid: the same strides, anchors and padding."
    checks.equal(who, "number of priors", {"priors": priors.count, name: network.boxes.shape[1]}, same)
    if network.level_sizes is not None:
        checks.equal(who, "level sizes", {"priors": priors.level_sizes, name: network.level_sizes}, same)
    checks.same_device(who, (("gt", gt.boxes), (name, network.boxes)))
