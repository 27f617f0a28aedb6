"""Stands in for detectron2/modeling/anchor_generator.py, read at bb0e8cf1e514eade5231c2749636150890bc9cd5."""

import torch
from torch import nn

from detectron2.structures import Boxes


class BufferList(nn.Module):
    """Buffers that no checkpoint holds."""

    def __init__(self, buffers):
        super().__init__()
        for i, each in enumerate(buffers):
            self.register_buffer(str(i), each, persistent=False)

    def __iter__(self):
        return iter(self._buffers.values())


class DefaultAnchorGenerator(nn.Module):
    """Anchors of each level, `sizes` being roots of areas and ratios height / width: a list of `Boxes`."""

    box_dim = 4

    def __init__(self, *, sizes, aspect_ratios, strides, offset=0.5):
        super().__init__()
        self.strides = strides
        self.offset = offset
        ratios = [aspect_ratios] * len(strides) if isinstance(aspect_ratios[0], float) else aspect_ratios
        pairs = zip(sizes, ratios, strict=True)
        self.cell_anchors = BufferList([self.generate_cell_anchors(s, r) for s, r in pairs])

    @property
    def num_anchors(self):
        return [len(each) for each in self.cell_anchors]

    @staticmethod
    def generate_cell_anchors(sizes, aspect_ratios):
        width = torch.tensor([[size / ratio**0.5] for size in sizes for ratio in aspect_ratios])
        height = torch.tensor([[size * ratio**0.5] for size in sizes for ratio in aspect_ratios])
        return torch.cat([-width, -height, width, height], 1) / 2

    def forward(self, features):
        anchors = []
        for feature, stride, cell in zip(features, self.strides, self.cell_anchors, strict=True):
            y, x = ((torch.arange(n, device=cell.device) + self.offset) * stride for n in feature.shape[-2:])
            y, x = (each.flatten() for each in torch.meshgrid(y, x, indexing="ij"))
            anchors.append(Boxes((torch.stack([x, y, x, y], 1)[:, None] + cell).flatten(0, 1)))
        return anchors
