"""How well a network detects what it was not trained on."""

from __future__ import annotations

import torch
from torch import Tensor
from torchvision.ops import box_iou, nms

from examples.aerial import data
from examples.aerial.model import Detector
from examples.aerial.train import predict


@torch.no_grad()
def average_precision(network: Detector, scene: data.Scene, device: str) -> float:
    """AP at IoU 0.5 over the part of a scene that is not trained on; found ignored crowns count for nothing."""
    x, height = scene.trained_width, scene.pixels.shape[0]
    pixels, objects = data.window(scene, x, 0, scene.pixels.shape[1] - x, height)
    _, found = predict(network, data.to_tensor([pixels]).to(device))
    score, order = found.scores[0, :, 0].cpu().topk(3000)
    boxes = found.boxes[0].cpu()[order]
    kept = nms(boxes, score, 0.5)[:1000]
    ignored = torch.from_numpy(objects["ignore"])
    hit = _hits(box_iou(boxes[kept], torch.from_numpy(objects["boxes"])))
    hit = hit[~((hit >= 0) & ignored[hit])] >= 0
    precision = hit.cumsum(0) / torch.arange(1, len(hit) + 1)
    precision = precision.flip(0).cummax(0).values.flip(0)
    return float((precision * hit).sum() / (~ignored).sum())


def _hits(iou: Tensor) -> Tensor:
    """The object that each detection finds, best scores first, every object once; -1 for none."""
    free, hits = torch.ones(iou.shape[1]), []
    for row in iou:
        value, best = (row * free).max(0)
        hits.append(int(best) if value >= 0.5 else -1)
        free[best] *= value < 0.5
    return torch.tensor(hits)
