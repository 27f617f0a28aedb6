"""MONAI's RetinaNet on real tree crowns: its own rule, PAA, and LAD with a teacher, by one line each.

Run it: `python -m examples.with_monai`
"""

from __future__ import annotations

import torch
from monai.apps.detection.networks.retinanet_detector import RetinaNetDetector
from monai.apps.detection.networks.retinanet_network import RetinaNet, resnet_fpn_feature_extractor
from monai.apps.detection.utils.anchor_utils import AnchorGeneratorWithAnchorShape
from monai.networks.nets.resnet import ResNet
from torch import Tensor

import labelassign as la
from examples.common import crops, learn, steps_asked
from labelassign.adapters.monai import attach

STOCK = la.MaxIoU(0.5, 0.4, "restore_argmax", zero_rescues=True, ignore_iof=None)  # set_regular_matcher(0.5, 0.4)


def network() -> RetinaNetDetector:
    """A RetinaNet with anchors for trees; nothing in it knows of this library."""
    torch.manual_seed(0)
    body = ResNet("basic", [1] * 4, [16, 32, 64, 128], 2, n_input_channels=3, conv1_t_size=3, conv1_t_stride=2)
    features = resnet_fpn_feature_extractor(body, 2, pretrained_backbone=False, returned_layers=[2, 3])
    shapes = [(16, 16), (16, 24), (24, 16)]
    anchors = AnchorGeneratorWithAnchorShape([1, 2, 4], base_anchor_shapes=shapes)
    return RetinaNetDetector(RetinaNet(2, 1, 3, features, [32, 32]), anchors)


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    steps = steps_asked(__doc__, 15)
    pixels, found = crops()
    images = torch.from_numpy(pixels[:2]).permute(0, 3, 1, 2).float() / 255
    # MONAI knows no ignored regions: trees cut by the border are left out
    objects = [{k: torch.as_tensor(each[k][~each["ignore"]]) for k in ("boxes", "labels")} for each in found[:2]]

    def loss(model: RetinaNetDetector) -> Tensor:
        return sum(model(images, objects).values())

    teacher = network()
    for model, assigner, options in (
        (teacher, STOCK, {}),
        (network(), la.PAA(), {}),
        (network(), la.LAD(la.PAA()), {"teacher": teacher}),
    ):
        with attach(model, assigner, **options) as handle:
            learn(handle, loss, steps, 3e-4)


if __name__ == "__main__":
    main()
