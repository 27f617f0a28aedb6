"""Stands in for detectron2/modeling/meta_arch/rcnn.py, read at a097b53ee6bc276fc222562a8faa0fdb93284529.

Only the network that proposes: with no heads behind it, training needs no pooling of regions.
"""

import torch
from torch import nn

from detectron2.structures import ImageList


class ProposalNetwork(nn.Module):
    def __init__(self, *, backbone, proposal_generator, pixel_mean, pixel_std):
        super().__init__()
        self.backbone = backbone
        self.proposal_generator = proposal_generator
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    def forward(self, batched_inputs):
        images = [(x["image"] - self.pixel_mean) / self.pixel_std for x in batched_inputs]
        images = ImageList.from_tensors(images, self.backbone.size_divisibility)
        features = self.backbone(images.tensor)
        gt_instances = [x["instances"].to(self.pixel_mean.device) for x in batched_inputs]
        _, proposal_losses = self.proposal_generator(images, features, gt_instances)
        assert self.training, "the stand-in only trains"
        return proposal_losses
