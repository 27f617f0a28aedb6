"""What the Triton paths of methods of candidates by centres do not take."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from labelassign.ops import accelerator
from labelassign.ops.central.refusals import COSTS, OVERLAPS

TOPK = 64
FLOATS = (torch.float32, torch.float16, torch.bfloat16)


def refusal(*args: Any) -> str | None:
    """The sentence for an op's first 22 arguments, the last the length of its lists; None if nothing speaks against."""
    found = accelerator.refusal(*args)
    if found is not None or len(args) < 22:
        return found
    prior_boxes, valid, strides, *objects = args[:7]
    places = accelerator.refused_boxes(prior_boxes, valid, *objects)
    places = places or _refused_strides(prior_boxes.shape[-2], strides, args[8], args[17])
    predictions = places or _refused_predictions((args[5].shape[0] - 1, prior_boxes.shape[-2]), *args[14:17])
    return predictions or _refused_rules(args[17], args[19], args[20]) or _refused_length(args[21])


def _refused_strides(priors: int, strides: Tensor | None, region: str, cost: str) -> str | None:
    if strides is None:
        return "there are no strides" if region != "box" or cost == "soft" else None
    if strides.shape != (priors,):
        return f"the strides are {list(strides.shape)}, expected [{priors}]"
    return accelerator.wrong_type(strides=(strides, torch.float32))


def _refused_predictions(
    places: tuple[int, int], scores: Tensor, boxes: Tensor, objectness: Tensor | None
) -> str | None:
    for name, tensor in {"scores": scores, "predicted boxes": boxes, "objectness": objectness}.items():
        if tensor is None:
            continue
        if tensor.dtype not in FLOATS:
            return f"{name} are {tensor.dtype}; the kernel reads {', '.join(map(str, FLOATS))}"
        if tensor.shape[:2] != places:
            return f"{name} are {list(tensor.shape)}; expected {places[0]} images of {places[1]} priors"
    return accelerator.wrong_size(classes=scores.shape[2]) or accelerator.rotated_boxes(boxes)


def _refused_rules(cost: str, overlap: str, scores_are: str) -> str | None:
    if scores_are == "softmax_logits":
        return "softmax scores are read by the reference alone"
    if overlap not in OVERLAPS or cost not in COSTS:
        return f"the cost {cost!r} of the overlap {overlap!r} is computed by the reference alone"
    return None


def _refused_length(topk: int) -> str | None:
    return None if 0 < topk <= TOPK else f"topk = {topk}; the kernel keeps 1 to {TOPK}"
