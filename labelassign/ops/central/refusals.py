"""What the compiled library does not take."""

from __future__ import annotations

from typing import Any

from labelassign.ops.native import bind

COSTS = {"aligned": 0, "simota": 1, "soft": 2}
OVERLAPS = {"iou": 0, "giou": 1, "ciou": 2}
MOST = 4096  # of a list: it is sorted by insertion
_SCENE = "fbffllb-------nnn"  # letters of `bind.unfit`, as far as the scene's tensors go


def refusal(*args: Any) -> str | None:
    """Why the library does not take these arguments of `central`; None if it does."""
    why = bind.unfit(_SCENE, args) or _unfit_scene(args)
    if why is not None or len(args) < 23:
        return why
    return _unfit_length(args[21]) or (_unfit_length(args[22]) if isinstance(args[22], int) else None)


def refusal_of_pairs(*args: Any) -> str | None:
    """Why the library does not take these arguments of `central_pairs`; None if it does."""
    why = bind.unfit("ll" + _SCENE, args) or _unfit_scene(args[2:])
    if why is None and len(args) > 1 and args[0].shape != args[1].shape:
        return f"rows {list(args[0].shape)} and priors {list(args[1].shape)} are not pairs"
    return why


def refusal_of_contests(*args: Any) -> str | None:
    """Why the library does not take these arguments of `contest`; None if it does."""
    why = bind.unfit(_SCENE + "----nnnblffbl", args) or _unfit_scene(args)
    if why is not None or len(args) < 30:
        return why
    *other, chosen, prior, cost, iou, kept, reason = args[21:30]
    if any(t.shape != prior.shape for t in (cost, iou, kept)) or prior.shape[0] != args[3].shape[0]:
        return "the lists are of different shapes"
    if reason.shape != args[4].shape or (chosen is not None and chosen.shape != args[4].shape):
        return "there is not one reason and one choice for each row"
    if chosen is None:
        return None
    same = other[0] is not None and other[1] is not None and other[0].shape == args[14].shape
    return _unfit_scene((*args[:14], *other, *args[17:21])) if same else "the networks are of different shapes"


def _unfit_length(asked: int) -> str | None:
    return None if asked <= MOST else f"lists of {asked}; the library keeps up to {MOST} in order"


def _unfit_scene(args: tuple[Any, ...]) -> str | None:
    """Why it does not take a scene; the letters fit."""
    if len(args) < 6:
        return None
    prior_boxes, valid, strides, gt_boxes, _, offsets = args[:6]
    why = bind.unfit_priors("fbfll", (prior_boxes, valid, gt_boxes, args[4], offsets))
    if why is not None or len(args) < 21:
        return why
    if prior_boxes.shape[-1] != 4 or gt_boxes.shape[-1] != 4 or args[15].shape[-1] != 4:
        return "it knows boxes of four corners only"
    images, n = offsets.shape[0] - 1, prior_boxes.shape[-2]
    scores, boxes, objectness, kind, weights, overlap, form = args[14:21]
    if any(t.shape[:2] != (images, n) for t in (scores, boxes) if t is not None):
        return f"the predictions are not of {images} images and {n} priors"
    if objectness is not None and objectness.shape != (images, n):
        return f"the objectness is not of {images} images and {n} priors"
    if scores.shape[2] <= (form == "softmax_logits"):
        return "no classes: nothing to do fast"
    if strides is None and (args[8] != "box" or kind == "soft"):
        return "strides are missing"
    if strides is not None and strides.shape != (n,):
        return f"the strides are {list(strides.shape)}, expected [{n}]"
    return _unfit_rule(args[11], args[13], kind, weights, overlap)


def _unfit_rule(floor: float, penalty: float, kind: str, weights: list[float], overlap: str) -> str | None:
    if kind not in COSTS or overlap not in OVERLAPS:
        return f"it does not know the cost {kind!r} of {overlap!r}"
    signed = weights if kind != "soft" else (weights[0], weights[2])
    if not all(0 <= w < float("inf") for w in (*signed, floor, penalty)):
        return f"its bounds need weights of 0 or more, got {weights}, floor {floor} and penalty {penalty}"
    return None
