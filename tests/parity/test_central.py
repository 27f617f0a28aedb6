"""TaskAligned, SimOTA and DynamicSoftLabel against mmdet and ultralytics: no prior may differ.

Boxes and logits are continuous, so no two costs are equal by construction. They compute costs in float32, ours are
float64 inside: a prior may differ only where two of their own costs lie within a few float32 roundings of each other.
"""

import pytest
import torch

import labelassign as la
from tests.parity import central_peers as peers
from tests.parity.scenes import CODER, SEEDS, Scene, image_rows, output, pack, priors, scene

COUNTS = (1, 7, 23, 63)
YOLO = la.Priors.points(image_size=(640, 640), strides=(8, 16, 32))


def decoded(count, seed):
    found = output(count, seed)
    return CODER.decode(priors(), found.deltas[None])[0], found.logits


def on_yolo(count, seed):
    """Objects and predictions for 640 pixels, strides 8, 16 and 32: boxes around points, better inside objects."""
    g = torch.Generator().manual_seed(97 * seed + count)
    size = torch.exp(3.9 + 0.9 * torch.randn(count, 2, generator=g)).clamp(3, 620)
    corner = torch.rand(count, 2, generator=g) * (640 - size)
    here = Scene(torch.cat([corner, corner + size], 1), torch.randint(80, (count,), generator=g))
    point = YOLO.boxes[:, :2]
    half = YOLO.strides[:, None] * torch.exp(0.7 + 0.5 * torch.randn(len(point), 2, generator=g))
    boxes, logits = torch.cat([point - half, point + half], 1), -4.6 + 0.8 * torch.randn(len(point), 80, generator=g)
    inside = la.geometry.inside(point[:, None], here.boxes)
    seen, row = inside.any(1), inside.long().argmax(1)
    mix = torch.rand(len(point), 1, generator=g) * 0.9
    boxes = torch.where(seen[:, None], (1 - mix) * boxes + mix * here.boxes[row], boxes)
    logits[torch.arange(len(point)), here.labels[row]] += 5 * torch.rand(len(point), generator=g) * seen
    return here, boxes, logits


def check(assigner, where, here, boxes, predictions, rows, soft=None):
    a = assigner(where, pack([here]), predictions)
    different = (image_rows(a)[0] != rows).nonzero().flatten()
    assert not len(different), f"{len(different)} priors differ, the first is {int(different[0])}"
    if soft is not None:
        torch.testing.assert_close(a.cls_target[0], torch.where(rows >= 0, soft, 0.0), atol=2e-6, rtol=2e-5)
    return a


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", COUNTS)
def test_task_aligned(count, seed):
    boxes, logits = decoded(count, seed)
    rows, metric = peers.task_aligned(priors(), scene(count, seed), boxes, logits)
    network = la.Predictions(boxes[None], logits[None])
    a = check(la.TaskAligned.tood(), priors(), scene(count, seed), boxes, network, rows)
    positive = rows >= 0
    assert positive.any()
    # the quality is the alignment; float32 powers of mmdet have a few units in the last place of theirs
    torch.testing.assert_close(a.quality[0][positive], metric[positive], rtol=1e-4, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", COUNTS)
def test_sim_ota(count, seed):
    boxes, logits = decoded(count, seed)
    scores = logits.sigmoid()
    rows, overlap = peers.sim_ota(priors(), scene(count, seed), boxes, scores)
    network = la.Predictions(boxes[None], scores[None], "probs")
    check(la.SimOTA.mmdet(), priors(), scene(count, seed), boxes, network, rows, overlap)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", COUNTS)
def test_dynamic_soft_label(count, seed):
    boxes, logits = decoded(count, seed)
    rows, overlap = peers.dynamic_soft_label(priors(), scene(count, seed), boxes, logits)
    network = la.Predictions(boxes[None], logits[None])
    check(la.DynamicSoftLabel.rtmdet(), priors(), scene(count, seed), boxes, network, rows, overlap)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("count", [3, 20, 60])
def test_yolo_shaped(count, seed):
    here, boxes, logits = on_yolo(count, seed)
    network, scores = la.Predictions(boxes[None], logits[None]), logits.sigmoid()
    check(la.TaskAligned.tood(), YOLO, here, boxes, network, peers.task_aligned(YOLO, here, boxes, logits)[0])
    probs = la.Predictions(boxes[None], scores[None], "probs")
    check(la.SimOTA.mmdet(), YOLO, here, boxes, probs, *peers.sim_ota(YOLO, here, boxes, scores))
    soft = peers.dynamic_soft_label(YOLO, here, boxes, logits)
    check(la.DynamicSoftLabel.rtmdet(), YOLO, here, boxes, network, *soft)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [3, 20, 60])
def test_ultralytics(count, seed):
    """Where fewer than ten priors have any alignment, theirs takes others by chance: none of these scenes has that."""
    here, boxes, logits = on_yolo(count, seed)
    network = la.Predictions(boxes[None], logits[None])
    check(la.TaskAligned.ultralytics(), YOLO, here, boxes, network, *peers.ultralytics(YOLO, here, boxes, logits))


def test_ultralytics_on_a_batch():
    """Sixteen images of 8,400 points at once, theirs padded to the fullest image."""
    scenes = [on_yolo(3 + 2 * i, 50 + i) for i in range(16)]
    rows = torch.stack([peers.ultralytics(YOLO, *each)[0] for each in scenes])
    network = la.Predictions(torch.stack([s[1] for s in scenes]), torch.stack([s[2] for s in scenes]))
    a = la.TaskAligned.ultralytics()(YOLO, pack([s[0] for s in scenes]), network)
    for mine, theirs in zip(image_rows(a), rows, strict=True):
        assert torch.equal(mine, theirs)


def test_sim_ota_has_yolox_scores():
    """The geometric mean of class and objectness, as mmdet's head hands it to the assigner."""
    here, boxes, logits = on_yolo(20, 5)
    objectness = torch.randn(len(boxes), generator=torch.Generator().manual_seed(1)) - 2
    scores = (logits.sigmoid() * objectness.sigmoid()[:, None]).sqrt()
    network = la.Predictions(boxes[None], logits[None], objectness=objectness[None])
    check(la.SimOTA.mmdet(), YOLO, here, boxes, network, *peers.sim_ota(YOLO, here, boxes, scores))
