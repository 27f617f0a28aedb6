"""FCOS: the compiled library gives the reference's answer bit for bit, whatever it is given."""

from dataclasses import replace

import pytest
import torch

import labelassign as la
from labelassign.ops.dispatch import OPS
from labelassign.ops.fcos import MMDET, PAPER, TORCHVISION
from labelassign.ops.objects import objects
from labelassign.testing import same
from tests.kernels.test_native import both
from tests.kernels.triton_scenes import spoiled_objects
from tests.parity import awkward_scenes, scenes
from tests.scenes import IMAGE, STRIDES, ground_truth

POINTS = la.Priors.points(image_size=IMAGE, strides=STRIDES)
RULES = (PAPER, MMDET, TORCHVISION)
ASSIGNERS = {
    "FCOS": la.FCOS(),
    "FCOS.whole": la.FCOS(center_sampling=False),
    "FCOS.wide": la.FCOS(radius=4.25),
    "FCOS.mmdet": la.FCOS.mmdet(),
    "FCOS.mmdet.sampled": la.FCOS.mmdet(center_sampling=True),
    "FCOS.torchvision": la.FCOS.torchvision(),
}
every_assigner = pytest.mark.parametrize("name", ASSIGNERS)


@pytest.fixture(autouse=True)
def ran(monkeypatch):
    """Answers of the library; a call that it hands back to the reference is an error."""
    op, answers = OPS["fcos"], []
    run, refusal = op.fast["native"]

    def checked(*args):
        answers.append(run(*args))
        assert answers[-1] is not NotImplemented
        return answers[-1]

    monkeypatch.setitem(op.fast, "native", (checked, refusal))
    return answers


def agree(*args):
    """One call of the op on both paths; the library's answer."""
    op = OPS["fcos"]
    assert op.refusal("native", *args) is None
    got, want = op.fast["native"][0](*args), op.reference(*args)
    for name, mine, theirs in zip(("index", "quality", "target", "cls", "loc", "reason"), got, want, strict=True):
        same.equal(name, mine, theirs)
    return got


def arguments(priors, gt, radius=1.5, rule=PAPER, share=0.5, ranges=()):
    where = (priors.boxes, priors.valid, *objects(gt), priors.strides, list(priors.level_sizes))
    return (*where, list(ranges), radius, rule, share)


@pytest.mark.parametrize("integer", [False, True], ids=["float", "whole pixels"])
@pytest.mark.parametrize("count", [1, 23, 150])
@every_assigner
def test_no_prior_differs(monkeypatch, ran, name, count, integer):
    gt = scenes.pack([scenes.scene(count, 0, integer=integer)])
    both(monkeypatch, ASSIGNERS[name], scenes.priors(), gt)
    assert len(ran) == 1


@pytest.mark.parametrize("scene", awkward_scenes.NAMES)
def test_awkward_scenes(scene):
    gt = scenes.pack([awkward_scenes.awkward()[scene]])
    for rule in RULES:
        for radius in (1.5, -1.0):
            agree(*arguments(scenes.priors(), gt, radius, rule))


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("rule", RULES)
def test_crowds_on_points_of_their_own(rule, seed):
    """Points per image, some invalid; rows ignored, ill-formed and of padding; more than one task an image."""
    g = torch.Generator().manual_seed(seed)
    points = la.Priors.points(image_size=(256, 320), strides=(4, 8, 16))
    gt = ground_truth((17, 0, 40), seed=seed, classes=5)
    gt = spoiled_objects(replace(gt, ignore=torch.rand(gt.num_rows, generator=g) < 0.2))
    assert points.count > 2 * 1024
    valid = torch.rand(3, points.count, generator=g) < 0.8
    own = replace(points, boxes=points.boxes + 3 * torch.arange(3.0)[:, None, None], valid=valid)
    for radius in (1.5, -1.0):
        got = agree(*arguments(own, gt, radius, rule))
        assert (got[0] >= 0).any()
        assert (got[0][~valid] == la.IGNORE).all()


@pytest.mark.parametrize("rule", RULES)
def test_ends_of_ranges(rule):
    """On a lattice many distances lie on an end exactly; the ends of levels may overlap, be far or be infinite."""
    gt = ground_truth((30, 12))
    gt = replace(gt, boxes=(gt.boxes / 8).round() * 8)
    for ranges in ((0, 32, 32, 64, 64, 1e8), (-1, 64, 16, 48, 0, float("inf")), (500, 900, 0, 0, 24, 40)):
        agree(*arguments(POINTS, gt, 1.5, rule, ranges=map(float, ranges)))
        bare = replace(POINTS, strides=None)
        agree(*arguments(bare, gt, -1.0, rule, ranges=map(float, ranges)))


def test_levels_without_priors():
    """The first and the last one with priors are open, whatever stands around them."""
    gt = la.GroundTruth.from_list([{"boxes": [[17.0, 17, 24, 26], [-300, -300, 500, 500]], "labels": [0, 0]}])
    padded = replace(POINTS, level_sizes=(0, *POINTS.level_sizes, 0))
    got = agree(*arguments(padded, gt))
    assert torch.equal(got[0], agree(*arguments(POINTS, gt))[0])
    assert got[5].tolist() == [la.Reason.FINE, la.Reason.FINE]


def test_rows_of_padding_own_nothing():
    """Even where the boxes in them are those of objects."""
    gt = ground_truth((9, 4))
    more = replace(gt, **{name: torch.cat([getattr(gt, name)] * 2) for name in ("boxes", "labels", "ignore")})
    for rule in RULES:
        got = agree(*arguments(POINTS, more, rule=rule))
        assert got[0].max() < gt.num_rows
        assert (got[5][gt.num_rows :] == la.Reason.PADDING).all()


def test_objects_that_lose_to_what_does_not_match():
    """mmdet's defect: 1e8 square pixels or more lose to any object of the image that does not match."""
    giants = [[-9000.0, -9000, 9000, 9000], [-9000, -9000, 9000, 60], [-9000, -9000, 9100, 9000]]
    for boxes, owners in ((giants[:1], {0}), (giants, {-1, 1}), ([*giants, [20.0, 20, 60, 60]], {-1, 3})):
        gt = la.GroundTruth.from_list([{"boxes": boxes, "labels": [0] * len(boxes)}])
        for rule in RULES:
            got = agree(*arguments(POINTS, gt, -1.0, rule, ranges=(0.0, 1e9) * 3))
            assert rule != MMDET or set(got[0].flatten().tolist()) == owners
    # an area of 1e8 exactly, and a distance beyond the 1e8 where its last level ends
    for side in (5e3, 2e8):
        gt = la.GroundTruth.from_list([{"boxes": [[-side, -side, side, side]], "labels": [0]}])
        assert (agree(*arguments(POINTS, gt, -1.0, MMDET))[0] == la.BACKGROUND).all()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("number", [float("nan"), float("inf"), -3e38, 3e38, -0.0])
def test_numbers_of_every_kind(number, rule):
    """In priors, strides and objects, one at a time."""
    gt, points = ground_truth((20, 3)), POINTS
    strange = points.boxes.clone()
    strange[::7, 0], strange[3::11, 3] = number, number
    boxes, strides = gt.boxes.clone(), points.strides.clone()
    boxes[::3, 0], boxes[1::5, 3], strides[::5] = number, number, number
    for priors, rows in (
        (replace(points, boxes=strange), gt),
        (replace(points, strides=strides), gt),
        (points, replace(gt, boxes=boxes)),
    ):
        for radius in (1.5, -1.0):
            agree(*arguments(priors, rows, radius, rule))


def test_reasons():
    """Near and not in range, or not near, is told apart on levels that no range wants."""
    gt = la.GroundTruth.from_list(
        [{"boxes": [[20.0, 20, 60, 60], [300, 300, 340, 340], [20, 20, 60, 60]], "labels": [0, 0, 0]}]
    )
    got = agree(*arguments(POINTS, gt, ranges=(500.0, 900.0) * 3))
    assert got[5].tolist() == [la.Reason.REJECTED, la.Reason.NO_CANDIDATE, la.Reason.REJECTED]
    assert agree(*arguments(POINTS, gt))[5].tolist() == [la.Reason.FINE, la.Reason.NO_CANDIDATE, la.Reason.LOST]


def test_refusals():
    args = arguments(POINTS, ground_truth((3,)), ranges=(0.0, 64.0) * 3)
    refusal = OPS["fcos"].fast["native"][1]
    turned = torch.zeros(3, 5)
    for place, value, why in (
        (2, turned, "rotated boxes are read by the reference alone"),
        (0, torch.zeros(POINTS.count, 5), "rotated boxes are read by the reference alone"),
        (0, POINTS.boxes.double(), "it takes float32 tensors on the CPU here, got float64"),
        (7, POINTS.strides.double(), "it takes float32 tensors on the CPU here, got float64"),
        (7, POINTS.strides[:1], f"the strides are [1], of {POINTS.count} priors"),
        (8, [1, 2, 3], f"levels [1, 2, 3] do not add up to {POINTS.count} priors"),
        (9, [0.0, 64.0], "2 ends of ranges for 3 levels"),
    ):
        given = (*args[:place], value, *args[place + 1 :])
        assert refusal(*given).startswith(why)
    assert refusal(*args[:7], None, *args[8:]) is None
    assert refusal(*args[:7], None, args[8], [], *args[10:]) == "0 ends of ranges for 3 levels"
    assert la.explain("fcos", *args).path == "native"


def test_ranges_beyond_float32_are_left_to_the_reference(monkeypatch):
    args = arguments(POINTS, ground_truth((3,)), ranges=(0.0, 1e300) * 3)
    monkeypatch.undo()
    assert OPS["fcos"].fast["native"][0](*args) is NotImplemented
    with pytest.raises(RuntimeError, match="overflow"):
        OPS["fcos"].reference(*args)
