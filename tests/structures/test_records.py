"""What all records share, and priors and predictions."""

import copy
import pickle

import numpy as np
import pytest
import torch

import labelassign as la
from tests.scenes import grid, ground_truth, predictions


def records():
    priors, gt = grid(ratios=(0.5, 2.0)), ground_truth()
    p = predictions(priors)
    a = la.CoLAD(la.PAA())(priors, gt, p, teacher=p)
    fit = la.Mixture().fit(torch.rand(3, 8), torch.tensor([8, 0, 3]))
    return [priors, priors.with_image_sizes([[100, 90]] * 3), gt, p, a, la.PAA()._propose(priors, gt, p), fit]


def flat(value, name=""):
    if isinstance(value, dict):
        return {k: v for key, entry in value.items() for k, v in flat(entry, f"{name}/{key}").items()}
    return {name: value}


@pytest.mark.parametrize("record", records(), ids=lambda r: type(r).__name__)
def test_save_and_load(record, tmp_path):
    record.save(tmp_path / "record.safetensors")
    loaded = type(record).load(tmp_path / "record.safetensors")
    before, after = flat(record.numpy()), flat(loaded.numpy())
    assert before.keys() == after.keys()
    for name, value in before.items():
        np.testing.assert_array_equal(value, after[name], err_msg=name)
        assert getattr(value, "dtype", None) == getattr(after[name], "dtype", None)


def test_loading_another_record_is_refused(tmp_path):
    grid().save(tmp_path / "file")
    with pytest.raises(
        ValueError, match=r"Assignment.load: expected a file written by Assignment.save, got Priors in "
    ):
        la.Assignment.load(tmp_path / "file")


@pytest.mark.parametrize("record", records(), ids=lambda r: type(r).__name__)
def test_records_are_frozen_and_can_be_moved_copied_and_shown(record):
    name = next(iter(record.numpy()))
    with pytest.raises(AttributeError):
        setattr(record, name, None)
    meta = record.to("meta")
    assert getattr(meta, name).device.type == "meta"
    for twin in (copy.deepcopy(record), pickle.loads(pickle.dumps(record)), record.detach()):
        assert torch.equal(getattr(twin, name), getattr(record, name))
    assert type(record).__name__ in repr(record)
    assert "\n" not in repr(record)
    assert len(repr(record)) < 400


def test_detach_drops_the_graph():
    scores = torch.randn(1, 4, 2, requires_grad=True)
    p = la.Predictions(torch.zeros(1, 4, 4), scores * 2)
    assert p.scores.requires_grad
    assert not p.detach().scores.requires_grad


def test_numpy_shares_memory_and_widens_bfloat16():
    priors = grid()
    assert priors.numpy()["boxes"].base is not None
    p = la.Predictions(torch.zeros(1, 2, 4).bfloat16(), torch.zeros(1, 2, 3).bfloat16())
    assert p.numpy()["scores"].dtype == np.float32


def test_grids_are_cell_by_cell_then_ratio_then_scale():
    priors = la.Priors.grid(shapes=[(2, 3), (1, 1)], strides=(4, 8), scale=(2, 4), ratios=(1.0, 4.0), offset=0.5)
    assert priors.level_sizes == (24, 4)
    assert priors.per_cell == 4
    first = priors.boxes[:4]
    assert torch.equal((first[:, :2] + first[:, 2:]) / 2, torch.full((4, 2), 2.0))
    assert (first[:, 2:] - first[:, :2]).tolist() == [[8, 8], [16, 16], [4, 16], [8, 32]]
    assert ((priors.boxes[4] + priors.boxes[4].roll(2)) / 2)[:2].tolist() == [6, 2]  # one column on
    assert ((priors.boxes[12] + priors.boxes[12].roll(2)) / 2)[:2].tolist() == [2, 6]  # one row on
    assert priors.strides.tolist() == [4.0] * 24 + [8.0] * 4


def test_an_image_size_rounds_up():
    assert la.Priors.grid(image_size=(33, 64), strides=(8, 16)).level_sizes == (5 * 8, 3 * 4)


@pytest.mark.parametrize("offset", [0.0, 0.5])
def test_cells_that_begin_in_the_padding_are_invalid(offset):
    priors = la.Priors.grid(image_size=(32, 48), strides=(8, 16), ratios=(0.5, 1.0, 2.0), offset=offset)
    valid = priors.with_image_sizes([[32, 48], [17, 24]]).valid
    assert valid[0].all()
    fine = valid[1][: 4 * 6 * 3].view(4, 6, 3)
    assert fine.all(-1).tolist() == [[x < 3 and y < 3 for x in range(6)] for y in range(4)]
    coarse = valid[1][4 * 6 * 3 :].view(2, 3, 3)
    assert coarse.all(-1).tolist() == [[x < 2 and y < 2 for x in range(3)] for y in range(2)]


def test_points_and_queries():
    points = la.Priors.points(shapes=[(1, 2)], strides=(8,))
    assert points.boxes.tolist() == [[4, 4, 4, 4], [12, 4, 12, 4]]
    assert la.Priors.queries(5).count == 5


def test_levels_are_read_in_the_order_of_the_priors():
    priors = la.Priors.grid(shapes=[(2, 3), (1, 2)], strides=(8, 16), scale=(2, 3))
    scores = [torch.randn(2, 2 * 5, 2, 3), torch.randn(2, 2 * 5, 1, 2)]
    deltas = [torch.randn(2, 2 * 4, 2, 3), torch.randn(2, 2 * 4, 1, 2)]
    extra = [torch.randn(2, 2, 2, 3), torch.randn(2, 2, 1, 2)]
    p = la.Predictions.from_levels(scores, deltas, priors, objectness=extra)
    # cell (row 1, column 2), second anchor
    place = (1 * 3 + 2) * 2 + 1
    assert torch.equal(p.scores[1, place], scores[0][1, 5:10, 1, 2])
    assert torch.equal(p.boxes[1, place], deltas[0][1, 4:8, 1, 2])
    assert torch.equal(p.objectness[1, place], extra[0][1, 1, 1, 2])
    assert torch.equal(p.scores[0, 12 + 2], scores[1][0, :5, 0, 1])
    assert p.level_sizes == priors.level_sizes
    decoded = la.Predictions.from_levels(scores, deltas, priors, coder=la.DeltaCoder())
    assert torch.equal(decoded.boxes, la.DeltaCoder().decode(priors, p.boxes))


def test_normalised_centres_become_pixels():
    boxes = torch.tensor([[[0.5, 0.5, 0.5, 0.25]], [[0.25, 0.5, 0.5, 1.0]]])
    p = la.Predictions.from_cxcywh(boxes, torch.zeros(2, 1, 3), [[100, 200], [64, 32]])
    assert p.boxes.tolist() == [[[50, 37.5, 150, 62.5]], [[0, 0, 16, 64]]]
    assert (p.scores_are, p.num_classes) == ("softmax_logits", 2)


def test_normalised_boxes_of_half_precision_lose_no_pixel():
    boxes = torch.tensor([[[0.7, 0.6, 0.3, 0.5]]]).half()
    p = la.Predictions.from_cxcywh(boxes, torch.zeros(1, 1, 3), [[1333, 2000]])
    exact = boxes.double()[0, 0] * torch.tensor([2000.0, 1333, 2000, 1333])
    want = torch.cat([exact[:2] - exact[2:] / 2, exact[:2] + exact[2:] / 2])
    torch.testing.assert_close(p.boxes[0, 0].double(), want, atol=1e-3, rtol=0)
