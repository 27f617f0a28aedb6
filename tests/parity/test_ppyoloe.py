"""TaskAligned.ppyoloe against a slow replica of PaddleDetection's assigner: no prior may differ."""

import numpy as np
import pytest
import torch

import labelassign as la
from tests.parity import ppyoloe_replica
from tests.parity.scenes import image_rows, pack
from tests.parity.test_central import on_yolo

POINTS = la.Priors.points(image_size=(320, 320), strides=(8, 16, 32))


def small(count, seed):
    """A quarter of the YOLO scenes, whose points the replica's loops can take."""
    here, boxes, logits = on_yolo(count, seed)
    x, y = (la.Priors.points(image_size=(640, 640), strides=(8, 16, 32)).boxes[:, axis] < 320 for axis in (0, 1))
    near = (x & y).nonzero().flatten()
    return here, boxes[near], logits[near]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("count", [10, 30, 60])
def test_no_prior_differs(count, seed):
    here, boxes, logits = small(count, seed)
    given = [x.numpy() for x in (POINTS.boxes[:, :2], here.boxes, here.labels, boxes, logits.sigmoid())]
    rows, soft = ppyoloe_replica.assign(*given)
    a = la.TaskAligned.ppyoloe()(POINTS, pack([here]), la.Predictions(boxes[None], logits[None]))
    assert (rows >= 0).any()
    assert np.array_equal(image_rows(a)[0].numpy(), rows)
    np.testing.assert_allclose(a.cls_target[0].numpy(), soft, atol=2e-6, rtol=2e-5)


def test_a_contested_prior_may_go_to_an_object_that_it_lies_outside_of():
    gt = la.GroundTruth.from_list([{"boxes": [[0, 0, 24, 24], [0, 0, 24, 24], [16, 0, 56, 24]], "labels": [0, 0, 0]}])
    boxes = torch.zeros(1, POINTS.count, 4)
    boxes[0, 1] = torch.tensor([14.0, 0, 50, 24])  # the point (12, 4) predicts the third object
    p = la.Predictions(boxes, torch.zeros(1, POINTS.count, 1))
    given = [x.numpy() for x in (POINTS.boxes[:, :2], gt.boxes, gt.labels, boxes[0], p.scores[0].sigmoid())]
    assert ppyoloe_replica.assign(*given)[0][1] == 2
    assert la.TaskAligned.ppyoloe()(POINTS, gt, p).gt_index[0, 1] == 2
    assert la.TaskAligned(conflict="all")(POINTS, gt, p).gt_index[0, 1] == 0
