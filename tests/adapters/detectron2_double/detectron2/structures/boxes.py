"""Stands in for detectron2/structures/boxes.py, read at 0263797634b79208414db202b9f8e1343181412c."""

import torch
from torchvision.ops import box_iou


class Boxes:
    """A list of boxes: `.tensor` is float32 [N, 4], xyxy."""

    def __init__(self, tensor):
        self.tensor = torch.as_tensor(tensor, dtype=torch.float32).reshape(-1, 4)

    def to(self, device):
        return Boxes(self.tensor.to(device=device))

    def area(self):
        return (self.tensor[:, 2:] - self.tensor[:, :2]).prod(1)

    def clip(self, box_size):
        """In place, to (height, width)."""
        height, width = box_size
        self.tensor[:, 0::2].clamp_(0, width)
        self.tensor[:, 1::2].clamp_(0, height)

    def nonempty(self, threshold=0.0):
        return (self.tensor[:, 2:] - self.tensor[:, :2] > threshold).all(1)

    def inside_box(self, box_size, boundary_threshold=0):
        height, width = box_size
        upper = self.tensor.new_tensor([width, height]) + boundary_threshold
        return (self.tensor[:, :2] >= -boundary_threshold).all(1) & (self.tensor[:, 2:] < upper).all(1)

    def get_centers(self):
        return (self.tensor[:, :2] + self.tensor[:, 2:]) / 2

    def __getitem__(self, item):
        return Boxes(self.tensor[item])

    def __len__(self):
        return len(self.tensor)

    def __iter__(self):
        yield from self.tensor

    @classmethod
    def cat(cls, boxes_list):
        return cls(torch.cat([each.tensor for each in boxes_list]))

    @property
    def device(self):
        return self.tensor.device


def pairwise_iou(boxes1, boxes2):
    """[N, M]; 0 where nothing overlaps."""
    return box_iou(boxes1.tensor, boxes2.tensor).nan_to_num()


def pairwise_point_box_distance(points, boxes):
    """[N, M, 4]: left, top, right and bottom of M boxes, seen from N points; negative outside."""
    low, high = boxes.tensor[None, :, :2], boxes.tensor[None, :, 2:]
    return torch.cat([points[:, None] - low, high - points[:, None]], 2)
