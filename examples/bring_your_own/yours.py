"""What you have already: a detector, images and their objects, a loss. Nothing here knows of label assignment."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.ops import generalized_box_iou_loss, sigmoid_focal_loss

from examples.aerial.data import to_tensor
from examples.aerial.model import Detector
from examples.common import crops

CLASSES = 1


def network(width: int = 16) -> Detector:
    """A detector of trees; all of one width begin alike."""
    torch.manual_seed(0)
    return Detector(width, classes=CLASSES)


class Trees(Dataset):
    """Real tree crowns: images [3, 256, 256], and their "boxes" (xyxy in pixels), "labels", and what to "ignore"."""

    def __init__(self) -> None:
        pixels, self.objects = crops()
        self.images = to_tensor(list(pixels))

    def __len__(self) -> int:
        """Four."""
        return len(self.images)

    def __getitem__(self, i: int) -> tuple[Tensor, dict[str, Any]]:
        """One image."""
        return self.images[i], self.objects[i]


def collate(items: list[tuple[Tensor, dict[str, Any]]]) -> tuple[Tensor, list[dict[str, Any]]]:
    """Images of one size as one tensor; each has as many objects as it has."""
    return torch.stack([image for image, _ in items]), [objects for _, objects in items]


def loader() -> DataLoader:
    """All four images are one batch."""
    return DataLoader(Trees(), batch_size=4, collate_fn=collate)


def loss(
    scores: Tensor, boxes: Tensor, labels: Tensor, wanted: Tensor, cls_weight: Tensor, loc_weight: Tensor
) -> Tensor:
    """Focal loss and generalised IoU loss, summed; scores and labels [B, N, C], boxes [B, N, 4], weights [B, N]."""
    focal = sigmoid_focal_loss(scores, labels, reduction="none").sum(-1) * cls_weight
    return focal.sum() + (generalized_box_iou_loss(boxes, wanted, reduction="none") * loc_weight).sum()
