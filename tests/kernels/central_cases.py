"""Calls of the op of candidates by centres that has a Triton path; see triton_cases.py."""

from dataclasses import replace
from functools import cache

import torch

import labelassign as la
from labelassign.testing.networks import spoil
from tests.kernels import triton_scenes as scene
from tests.scenes import grid, ground_truth, predictions


def _answer(priors, gt, p, assigner):
    decide, shares, eps = assigner._answer
    where, share = assigner._where(priors, gt, p), assigner._ignored_share
    return "central_answer", (*where, assigner.topk, decide, assigner._by, assigner.conflict, shares, eps, share)


def _rated(p, scale=1.0):
    """With an objectness, one of a prior not finite."""
    rate = torch.randn(p.boxes.shape[:2], generator=torch.Generator().manual_seed(4)).to(p.scores.dtype)
    rate[0, 7::9] = float("nan")
    return replace(p, objectness=rate.sigmoid() if p.scores_are == "probs" else rate * scale)


def _crowd(*, seed=0):
    """More objects than the others have, that many priors are in, of which the boxes come near them."""
    priors, gt = grid(), ground_truth((9, 0, 5), seed=seed)
    gt = replace(gt, ignore=torch.arange(14) % 6 == 5).pad_to(16)
    random = torch.Generator().manual_seed(seed)
    p = predictions(priors)
    target = gt.boxes[torch.randint(0, 14, p.boxes.shape[:2], generator=random)]
    return priors, gt, replace(p, boxes=p.boxes + (target - p.boxes) * 0.7)


def _pile(rare=1):
    """Objects of all classes upon each other: one that has not kept a contested prior may be worth more to it.

    One of `rare` priors predicts something near them.
    """
    priors, random = grid(), torch.Generator().manual_seed(6)
    boxes = torch.tensor([40.0, 30, 110, 100]) + 14 * torch.randn(12, 4, generator=random)
    gt = la.GroundTruth.from_list([{"boxes": boxes[k : k + 6], "labels": torch.arange(6)} for k in (0, 6)])
    p = predictions(priors, 2)
    of = torch.randint(0, 6, (2, priors.count), generator=random)
    near = boxes.view(2, 6, 4).gather(1, of[..., None].expand(-1, -1, 4))
    boxes = near + 4 * torch.randn(near.shape, generator=random)
    boxes = torch.where((torch.arange(priors.count) % rare == 0)[:, None], boxes, boxes + 1000)
    return priors, gt, replace(p, boxes=boxes, scores=p.scores * 2)


def _wild():
    """Boxes as large as numbers, strides that make no sense, objects without area, centres that are no numbers."""
    priors, gt, p = _crowd(seed=3)
    boxes, objects, steps, seen = p.boxes.clone(), gt.boxes.clone(), priors.strides.clone(), priors.boxes.clone()
    boxes[:, ::5], boxes[:, 1::7] = 3e38, torch.tensor([-3e38, -3e38, 3e38, 3e38])
    objects[::6], objects[1::6] = torch.tensor([-3e38, -3e38, 3e38, 3e38]), torch.tensor([40.0, 40, 40, 40])
    for start, step in enumerate((0.0, -8.0, float("nan"), float("inf"), 1e-38)):
        steps[start::11] = step
    seen[3::13, 0], seen[4::13, 3] = float("nan"), float("inf")
    return replace(priors, boxes=seen, strides=steps), replace(gt, boxes=objects), replace(p, boxes=boxes)


def _probs(p):
    """Probabilities, some of them 0 or 1 or beyond."""
    p = scene.half(p, "probs")
    p.scores[:, ::9], p.scores[:, 1::9, 2], p.scores[:, 2::9, 3], p.scores[:, 3::9] = 0.0, 1.0, 1.5, -0.25
    return p


@cache
def _scenes():
    """Priors shared, some of them invalid, own; objects, regions and one row of padding; predictions, good and bad."""
    priors, gt, p = grid(), ground_truth(scene.COUNTS), predictions(grid())
    some = replace(priors, valid=torch.rand(3, priors.count, generator=torch.Generator().manual_seed(3)) < 0.8)
    some.valid[1] = False
    own = replace(some, boxes=priors.boxes + torch.arange(3.0)[:, None, None])
    row = {name: getattr(gt, name)[:1] for name in ("boxes", "labels", "ignore")}
    nobody = replace(gt, **row, offsets=torch.zeros(4).long())
    return priors, some, own, gt, scene.regions(gt), nobody, p, spoil(p, 0, 0.5)


def aligned_calls():
    """The product of score and overlap."""
    priors, some, own, gt, bad, nobody, p, mess = _scenes()
    crowd, wild, pile, aligned, tood = _crowd(), _wild(), _pile(), la.TaskAligned(), la.TaskAligned.tood()
    return {
        "central_answer": _answer(priors, gt, p, aligned),
        "central_answer, tood": _answer(some, bad, scene.half(p, "sigmoid_logits"), tood),
        "central_answer, tood, crowd": _answer(*crowd, replace(tood, topk=40, ignore_iof=0.5, eps=1.0)),
        "central_answer, regions": _answer(some, bad, mess, replace(aligned, conflict="all")),
        "central_answer, ppyoloe": _answer(*crowd, la.TaskAligned.ppyoloe()),
        "central_answer, giou": _answer(
            own, bad, scene.strided(p), replace(aligned, overlap="giou", beta=1.0, topk=40, floor=30.3, margin=-0.6)
        ),
        "central_answer, pile": _answer(*pile, replace(aligned, alpha=6.0, beta=1.0, topk=9, conflict="all")),
        "central_answer, pile, every": _answer(*pile, replace(aligned, alpha=6.0, beta=1.0, topk=9, conflict="every")),
        "central_answer, all": _answer(*crowd, replace(aligned, conflict="all", topk=64, margin=1.5, eps=1e-9)),
        "central_answer, ultralytics": _answer(*crowd, la.TaskAligned.ultralytics()),
        "central_answer, ciou, wild": _answer(*wild, replace(tood, overlap="ciou", beta=0.5)),
        "central_answer, ciou, ties": _answer(*scene.tied(), replace(aligned, overlap="ciou")),
        "central_answer, scores": _answer(*crowd[:2], _probs(crowd[2]), replace(tood, beta=0.0, topk=3)),
        "central_answer, overlaps": _answer(own, gt, p, replace(aligned, alpha=0.0, beta=0.7, topk=1)),
        "central_answer, ties": _answer(*scene.tied(), aligned),
        "central_answer, ties, all": _answer(*scene.tied(), replace(tood, conflict="all")),
        "central_answer, sure": _answer(*scene.sure(), aligned),
        "central_answer, wild": _answer(*wild, replace(aligned, conflict="every")),
        "central_answer, nobody": _answer(some, nobody, p, aligned),
        "central_answer, few": _answer(*scene.few(), tood),
        "central_answer, large": _answer(*scene.large(), replace(tood, topk=20)),
    }


def dynamic_calls():
    """As many priors as the overlaps sum up to."""
    priors, some, own, gt, bad, nobody, p, mess = _scenes()
    crowd, wild, simota, soft = _crowd(), _wild(), la.SimOTA(), la.DynamicSoftLabel()
    mmdet, rtmdet = la.SimOTA.mmdet(), la.DynamicSoftLabel.rtmdet()
    dear = replace(mmdet, region="box", others=1.0, cls_weight=3.0, topk=5)
    half = _rated(scene.half(crowd[2], "sigmoid_logits"), 3.0)
    return {
        "central_answer, simota": _answer(priors, gt, p, simota),
        "central_answer, simota, mmdet": _answer(*crowd[:2], half, mmdet),
        "central_answer, simota, yolox": _answer(some, bad, _rated(mess), la.SimOTA.yolox()),
        "central_answer, simota, box": _answer(
            own, bad, p, replace(simota, region="box", others=0.0, cls_weight=0.0, topk=1)
        ),
        "central_answer, simota, probs": _answer(*crowd[:2], _rated(_probs(crowd[2])), replace(simota, topk=33)),
        "central_answer, simota, both": _answer(some, bad, mess, replace(mmdet, others=3.3, cls_weight=0.4)),
        "central_answer, simota, pile": _answer(*_pile(29), dear),
        "central_answer, simota, pile, own": _answer(*_pile(7), replace(simota, conflict="all")),
        "central_answer, simota, ties": _answer(*scene.tied(), mmdet),
        "central_answer, simota, wild": _answer(*wild, mmdet),
        "central_answer, simota, nobody": _answer(some, nobody, p, mmdet),
        "central_answer, soft": _answer(own, bad, scene.strided(mess), soft),
        "central_answer, soft, rtmdet": _answer(*crowd, rtmdet),
        "central_answer, soft, probs": _answer(*crowd[:2], _probs(crowd[2]), rtmdet),
        "central_answer, soft, pile": _answer(*_pile(60), rtmdet),
        "central_answer, soft, flat": _answer(*scene.tied(), replace(rtmdet, radius=0.0, iou_weight=0.0)),
        "central_answer, soft, wild": _answer(*wild, rtmdet),
        "central_answer, soft, large": _answer(*scene.large(), replace(soft, conflict="all")),
    }


def central_calls():
    """Every rule, and every kind of row, prior and image."""
    return {**aligned_calls(), **dynamic_calls()}


# call, which of its arguments changes, how, and a part of why the kernels do not take it then
REFUSED = [
    ("central_answer", 20, "softmax_logits", "softmax"),
    ("central_answer", 21, 65, "topk = 65"),
    ("central_answer", 21, 0, "topk = 0"),
    ("central_answer", 19, "prob_iou", "'prob_iou' is computed by the reference alone"),
    ("central_answer", 17, "dear", "'dear'"),
    ("central_answer", 14, torch.Tensor.double, "scores are torch.float64"),
    ("central_answer", 15, torch.Tensor.double, "predicted boxes are torch.float64"),
    ("central_answer, simota, mmdet", 16, torch.Tensor.double, "objectness are torch.float64"),
    ("central_answer", 14, lambda t: t[:2], "expected 3 images of 420 priors"),
    ("central_answer, simota, mmdet", 16, lambda t: t[:, 1:], "objectness are [3, 419]"),
    ("central_answer", 14, lambda t: t[..., :0], "no classes"),
    ("central_answer", 15, lambda t: t.repeat(1, 1, 2)[..., :5], "rotated"),
    ("central_answer", 0, lambda t: t.repeat(1, 2)[:, :5], "rotated"),
    ("central_answer", 5, torch.Tensor.int, "int32"),
    ("central_answer", 2, torch.Tensor.half, "strides are torch.float16"),
    ("central_answer", 2, lambda t: t[1:], "expected [420]"),
    ("central_answer, simota", 2, None, "no strides"),
    ("central_answer, soft", 2, None, "no strides"),
]
