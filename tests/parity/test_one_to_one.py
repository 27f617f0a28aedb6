"""One-to-one TaskAligned against ultralytics: no prior may differ, nor a soft target beyond float32."""

import pytest
import torch

import labelassign as la
from tests.parity import central_peers as peers
from tests.parity.scenes import pack
from tests.parity.test_central import YOLO, check, on_yolo

BRANCHES = {
    "yolov10": (la.TaskAligned.yolov10_one2one(), 1, None),
    "yolo26": (la.TaskAligned.yolo26_one2one(), 7, 1),
    "three": (la.TaskAligned.ultralytics(10, 3), 10, 3),
}


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [3, 20, 60, 200])
@pytest.mark.parametrize("name", BRANCHES)
def test_no_prior_differs(name, count, seed):
    assigner, *numbers = BRANCHES[name]
    here, boxes, logits = on_yolo(count, seed)
    theirs = peers.ultralytics(YOLO, here, boxes, logits, *numbers)
    check(assigner, YOLO, here, boxes, la.Predictions(boxes[None], logits[None]), *theirs)


def test_an_object_has_two_priors_in_yolov10_and_one_in_yolo26():
    here, boxes, logits = on_yolo(200, 2)
    gt, p = pack([here]), la.Predictions(boxes[None], logits[None])
    assert int(BRANCHES["yolov10"][0](YOLO, gt, p).per_gt_count.max()) == 2
    one = BRANCHES["yolo26"][0](YOLO, gt, p)
    assert int(one.per_gt_count.max()) == 1
    assert torch.equal(one.per_gt_count == 0, one.reason == la.Reason.LOST)
