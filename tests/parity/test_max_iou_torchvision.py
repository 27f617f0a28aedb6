"""MaxIoU's torchvision presets against torchvision's own matchers: no prior may differ, ties included."""

import importlib.metadata

import pytest
import torch
from torchvision.models.detection._utils import Matcher, SSDMatcher
from torchvision.models.detection.roi_heads import RoIHeads
from torchvision.models.detection.rpn import RegionProposalNetwork
from torchvision.ops import box_iou

import labelassign as la
from tests.parity.awkward_scenes import NAMES, awkward
from tests.parity.scenes import COUNTS, SEEDS, Scene, assert_same, image_rows, pack, priors, scenes

PRESETS = {
    "rpn": Matcher(0.7, 0.3, allow_low_quality_matches=True),
    "rcnn": Matcher(0.5, 0.5, allow_low_quality_matches=False),
    "retinanet": Matcher(0.5, 0.4, allow_low_quality_matches=True),
    "ssd": SSDMatcher(0.5),
}


def torchvision_says(matcher, boxes, scene):
    """Its codes are ours: -1 below both thresholds, -2 between. It raises without objects, so its callers step in."""
    if not len(scene.boxes):
        return torch.full((len(boxes),), -1)
    return matcher(box_iou(scene.boxes, boxes))


def assert_parity(preset, batch, name):
    ours = image_rows(getattr(la.MaxIoU, preset)()(priors(), pack(batch)))
    for mine, scene in zip(ours, batch, strict=True):
        theirs = torchvision_says(PRESETS[preset], priors().boxes, scene)
        assert_same(mine, theirs, f"{preset}, {name}, {len(scene.boxes)} objects")


def test_the_oracle_is_the_version_we_read():
    assert importlib.metadata.version("torchvision").partition("+")[0] == "0.29.1"


@pytest.mark.parametrize("integer", [False, True], ids=["continuous", "whole pixels"])
@pytest.mark.parametrize("preset", PRESETS)
def test_no_prior_differs(preset, integer):
    for seed in SEEDS[:1] if integer else SEEDS:
        assert_parity(preset, scenes(seed, integer=integer), f"seed {seed}")


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("name", NAMES)
def test_no_prior_differs_on_awkward_scenes(name, preset):
    assert_parity(preset, [awkward()[name]], name)


def test_the_region_proposal_network_itself():
    """Its caller turns matches into labels: 1 object, 0 background, -1 left out."""
    network = RegionProposalNetwork(None, None, 0.7, 0.3, 256, 0.5, {}, {}, 0.7)
    batch = scenes(1)
    assignment = la.MaxIoU.rpn()(priors(), pack(batch))
    targets = [{"boxes": scene.boxes} for scene in batch]
    labels, boxes = network.assign_targets_to_anchors([priors().boxes] * len(batch), targets)
    here = assignment.targets(pack(batch), background=0)
    for i, (label, box) in enumerate(zip(labels, boxes, strict=True)):
        assert_same(assignment.positive[i].long() - assignment.ignored[i].long(), label.long(), f"image {i}")
        positive = assignment.positive[i]
        assert torch.equal(here.boxes[i][positive], box[positive])


def test_the_box_head_itself_on_proposals_of_each_image():
    """Proposals differ from image to image, and its caller appends the objects to them."""
    head = RoIHeads(None, None, None, 0.5, 0.5, 512, 0.25, None, 0.05, 0.5, 100)
    g = torch.Generator().manual_seed(3)
    batch = [Scene(s.boxes[:23], s.labels[:23]) for s in scenes(0, COUNTS[3:5])]
    near = [s.boxes.repeat(40, 1) + 25 * torch.randn(920, 4, generator=g) for s in batch]
    proposals = [
        torch.cat([torch.sort(b.view(-1, 2, 2), 1).values.flatten(1), s.boxes])
        for b, s in zip(near, batch, strict=True)
    ]
    gt = pack(batch)
    assignment = la.MaxIoU.rcnn()(la.Priors.from_boxes(torch.stack(proposals)), gt)
    matched, labels = head.assign_targets_to_proposals(
        proposals, [s.boxes for s in batch], [s.labels + 1 for s in batch]
    )
    here = assignment.targets(gt, background=-1).labels + 1
    for i in range(2):
        assert_same(image_rows(assignment)[i].clamp(min=0), matched[i], f"image {i}")
        assert_same(here[i], labels[i], f"labels of image {i}")
    assert (labels[0] > 0).sum() > 100
