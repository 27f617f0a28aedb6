"""Stands in for detectron2/modeling/meta_arch/dense_detector.py, read at 69d26acf80ebca26c8c4bcaa1264bde6cd07d658."""

import torch
from torch import nn

from detectron2.structures import ImageList


def permute_to_N_HWA_K(tensor, K):
    """[N, A·K, H, W] as [N, H·W·A, K]."""
    n, _, height, width = tensor.shape
    return tensor.view(n, -1, K, height, width).permute(0, 3, 4, 1, 2).reshape(n, -1, K)


class DenseDetector(nn.Module):
    """A backbone, and a head that predicts from every cell of its maps."""

    def __init__(self, backbone, head, head_in_features=None, *, pixel_mean, pixel_std):
        super().__init__()
        self.backbone = backbone
        self.head = head
        shapes = backbone.output_shape()
        self.head_in_features = head_in_features or sorted(shapes, key=lambda name: shapes[name].stride)
        self.register_buffer("pixel_mean", torch.tensor(pixel_mean).view(-1, 1, 1), False)
        self.register_buffer("pixel_std", torch.tensor(pixel_std).view(-1, 1, 1), False)

    @property
    def device(self):
        return self.pixel_mean.device

    def forward(self, batched_inputs):
        """batched_inputs: for each image a dict with "image" [3, H, W] and "instances"."""
        images = self.preprocess_image(batched_inputs)
        features = self.backbone(images.tensor)
        features = [features[f] for f in self.head_in_features]
        predictions = self.head(features)
        assert self.training, "the stand-in only trains"
        gt_instances = [x["instances"].to(self.device) for x in batched_inputs]
        return self.forward_training(images, features, predictions, gt_instances)

    def preprocess_image(self, batched_inputs):
        images = [(x["image"].to(self.device) - self.pixel_mean) / self.pixel_std for x in batched_inputs]
        return ImageList.from_tensors(images, self.backbone.size_divisibility)

    def _transpose_dense_predictions(self, predictions, dims_per_anchor):
        pairs = zip(predictions, dims_per_anchor, strict=True)
        return [[permute_to_N_HWA_K(level, dim) for level in levels] for levels, dim in pairs]

    def _ema_update(self, name, value, initial_value, momentum=0.9):
        new = getattr(self, name, initial_value) * momentum + value * (1 - momentum)
        setattr(self, name, new)
        return new
