"""Calls of the ops that have a Triton path: between them they start every kernel in every variant that matters."""

import os
from dataclasses import replace
from unittest.mock import patch

import torch

import labelassign as la
from labelassign.ops.dispatch import OPS
from labelassign.ops.match import RESCUE_HIGHEST, RESCUE_LAST, RESCUE_OFF
from labelassign.ops.mixture.reference import fit
from labelassign.ops.objects import objects
from labelassign.testing.networks import spoil
from tests.kernels import central_cases, rival_cases
from tests.kernels import triton_scenes as scene
from tests.scenes import grid, ground_truth, predictions

FIT, PLAIN = (1e-3, 100, 1e-6), ("positive", "all", "component")


def _candidates(priors, gt, p, cost, *, topk=9, spread=False, rescue=RESCUE_HIGHEST, zero=False, take=True):
    where = (priors.boxes, priors.valid, *objects(gt, p), p.scores, p.boxes, list(priors.level_sizes))
    return "candidates", (*where, topk, 0, spread, 0.1, rescue, zero, take, False, *cost.terms(p))


def _paa(priors, gt, p, assigner, share=0.5):
    where = (priors.boxes, priors.valid, *objects(gt, p), p.scores, p.boxes, list(priors.level_sizes))
    rules = (*assigner._rules(p), *assigner.mixture.options, *assigner.separation.options)
    return "paa", (*where, assigner.topk, *rules, share)


def costs(rows, columns, *, seed=0):
    """Rows of two groups of costs with ties and gaps; the first rows have 0, 1, 2 and only equal samples."""
    random = torch.Generator().manual_seed(seed)
    found = torch.rand(rows, columns, generator=random) * 0.4 + 3.0 * (
        torch.rand(rows, columns, generator=random) < 0.5
    )
    found = (found * 64).round() / 64
    found[torch.rand(rows, columns, generator=random) < 0.2] = torch.inf
    found[0], found[1, 1:], found[2, 2:], found[3] = torch.inf, torch.inf, torch.inf, 1.5
    found[1:3, :2] = torch.tensor([[0.5, torch.inf], [0.25, 3.0]])
    return found


def _pairs():
    """Two cheap candidates, two dear ones: both of a component are equally likely, up to rounding."""
    random = torch.Generator().manual_seed(2)
    low, gap = torch.rand(32, 1, generator=random), torch.rand(32, 2, generator=random)
    return torch.cat([low, low + gap[:, :1], low + 5, low + 5 + gap[:, 1:]], 1)


def _close_tolerance(found):
    """A tolerance that one row's step just meets, and would miss if float32 held the tolerance."""
    count = torch.isfinite(found).sum(1)
    ordered = found.sort(dim=1).values
    for steps in range(2, 20):
        before, after = (fit(ordered, count, tol=0.0, max_steps=k)[3] for k in (steps - 1, steps))
        for change in (after - before).abs().tolist():
            tol = change * (1 + 1e-9)
            if tol > 1e-6 and torch.tensor(tol).item() < change:
                return tol
    raise AssertionError("no such tolerance")


def candidate_calls():
    priors, gt, p = grid(), ground_truth(scene.COUNTS), predictions(grid())
    some = replace(priors, valid=torch.rand(3, priors.count, generator=torch.Generator().manual_seed(3)) < 0.8)
    own = replace(priors, boxes=priors.boxes + torch.arange(3.0)[:, None, None])
    giou, soft = la.FocalIoU(generalized=True, iou_weight=1.3), la.FocalIoU(alpha=0.4, gamma=1.5)
    bad, mess, logits = scene.spoiled_objects(gt), spoil(p, 0, 0.5), scene.half(p, "sigmoid_logits")
    return {
        "candidates": _candidates(priors, gt, p, la.FocalIoU()),
        "candidates, mmdet": _candidates(some, gt, logits, giou, rescue=RESCUE_LAST, zero=True),
        "candidates, original": _candidates(own, gt, scene.strided(p), giou, zero=True, take=False),
        "candidates, no rescue": _candidates(some, gt, p, la.FocalIoU(), rescue=RESCUE_OFF),
        "candidates, probs": _candidates(priors, bad, scene.half(p, "probs"), la.FocalIoU(), spread=True, topk=1),
        "candidates, gamma": _candidates(some, bad, mess, soft, spread=True, topk=32),
        "candidates, gamma, probs": _candidates(priors, gt, scene.half(mess, "probs"), soft),
        "candidates, alpha": _candidates(priors, gt, mess, la.FocalIoU(alpha=1.0)),
        "candidates, sure": _candidates(*scene.sure(), la.FocalIoU(gamma=0.5)),
        "candidates, ties": _candidates(*scene.tied(), la.FocalIoU()),
        "candidates, ties, zero": _candidates(*scene.tied(), giou, rescue=RESCUE_LAST, zero=True),
    }


def paa_calls():
    """The whole method: every rule, and every kind of row and image."""
    priors, gt, p = grid(), ground_truth(scene.COUNTS), predictions(grid())
    some = replace(priors, valid=torch.rand(3, priors.count, generator=torch.Generator().manual_seed(3)) < 0.8)
    some.valid[1] = False
    none = some.valid & (torch.arange(3) < 2)[:, None]
    own = replace(priors, boxes=priors.boxes + torch.arange(3.0)[:, None, None])
    bad, mess = scene.regions(gt), spoil(p, 0, 0.5)
    most = replace(priors, level_sizes=(100, 120, 80, 50, 30, 20, 15, 5))  # as many levels and choices as there may be
    alone = replace(
        gt, **{name: getattr(gt, name)[:1] for name in ("boxes", "labels", "ignore")}, offsets=torch.zeros(4).long()
    )
    plain, loose = la.PAA(), la.FocalIoU(alpha=0.4, gamma=1.5)
    b, d = la.Separation(scheme="b", prefix="interleaved"), la.Separation(scheme="d", single="drop")
    return {
        "paa": _paa(priors, gt, p, plain),
        "paa, mmdet": _paa(replace(some, valid=none), bad, scene.half(p, "sigmoid_logits"), la.PAA.mmdet(), -1.0),
        "paa, original": _paa(own, gt, scene.strided(p), la.PAA.original(), -1.0),
        "paa, regions": _paa(some, bad, mess, plain),
        "paa, own": _paa(own, bad, p, replace(plain, topk=3, pos_iou=0.3), 0.9),
        "paa, no rescue": _paa(some, gt, p, replace(plain, low_quality="off", pos_iou=0.4)),
        "paa, probs": _paa(priors, bad, scene.half(mess, "probs"), replace(plain, topk=1, cost=loose)),
        "paa, ties": _paa(*scene.tied(), plain),
        "paa, ties, mmdet": _paa(*scene.tied(), la.PAA.mmdet(), -1.0),
        "paa, a": _paa(priors, gt, p, replace(plain, separation=la.Separation(scheme="a"))),
        "paa, b": _paa(priors, gt, p, replace(plain, topk=20, separation=b, mixture=la.Mixture(normalize=True))),
        "paa, d": _paa(most, gt, p, replace(plain, topk=32, separation=d, mixture=la.Mixture(data_variance=True))),
        "paa, few steps": _paa(priors, gt, p, replace(plain, mixture=la.Mixture(tol=0.0, max_steps=3))),
        "paa, few": _paa(*scene.few(), plain),
        "paa, nobody": _paa(some, alone, p, plain),
        "paa, large": _paa(*scene.large(), plain),
    }


def _overlapping():
    """Priors shared, own and tied; which are valid; objects, and those of the tied priors."""
    priors, gt = grid(), scene.spoiled_objects(ground_truth(scene.COUNTS))
    some = torch.rand(3, priors.count, generator=torch.Generator().manual_seed(3)) < 0.8
    some[2] = False
    own = priors.boxes + torch.arange(3.0)[:, None, None]
    tied, same = scene.tied()[0].boxes, scene.tied()[1]
    return priors.boxes, own, tied, some, gt, same


def match_calls():
    shared, own, tied, some, gt, same = _overlapping()
    return {
        "match": ("match", (shared, None, *objects(gt), RESCUE_OFF, 0.0, False, True)),
        "match, highest": ("match", (own, some, *objects(gt), RESCUE_HIGHEST, 0.2, False, True)),
        "match, last": ("match", (shared, some, *objects(gt), RESCUE_LAST, 0.0, True, False)),
        "match, ties": ("match", (tied, None, *objects(same), RESCUE_HIGHEST, 0.0, True, True)),
        "match, first": ("match", (tied, None, *objects(same), RESCUE_HIGHEST, 0.0, True, False)),
    }


def max_iou_calls():
    shared, own, tied, some, gt, same = _overlapping()
    return {
        "max_iou": (
            "max_iou",
            (shared, None, *objects(gt), 0.5, 0.0, 0.4, RESCUE_HIGHEST, 0.1, False, True, True, 0.5),
        ),
        "max_iou, no rescue": (
            "max_iou",
            (own, some, *objects(gt), 0.5, 0.0, 0.5, RESCUE_OFF, 0.0, False, True, True, -1.0),
        ),
        "max_iou, argmax": (
            "max_iou",
            (tied, None, *objects(same), 0.7, 0.0, 0.3, RESCUE_HIGHEST, 0.0, True, True, False, -1.0),
        ),
        "max_iou, interval": (
            "max_iou",
            (own, None, *objects(gt), 0.5, 0.2, 0.4, RESCUE_OFF, 0.0, False, True, True, -1.0),
        ),
        "max_iou, edge": (
            "max_iou",
            (tied, None, *objects(same), 1.5, 0.0, 1.0, RESCUE_OFF, 0.0, False, True, True, -1.0),
        ),
        "max_iou, last": (
            "max_iou",
            (tied, None, *objects(same), 0.7, 0.0, 0.3, RESCUE_LAST, 0.0, False, True, True, -1.0),
        ),
        "max_iou, first": (
            "max_iou",
            (own, some, *objects(gt), 0.5, 0.0, 0.5, RESCUE_LAST, 0.0, True, False, True, 0.5),
        ),
    }


def decision_calls():
    gt, chosen = ground_truth(scene.COUNTS).pad_to(7), torch.Generator().manual_seed(5)
    prior = torch.randint(-1, 40, (7, 100), generator=chosen)
    state = torch.randint(-1, 2, (7, 100), generator=chosen).to(torch.int8)
    prior[0], state[1], state[2] = -1, 0, state[2].clamp(max=0)
    cost, some = torch.randint(0, 3, (7, 100), generator=chosen).float(), costs(8, 27, seed=1)
    return {
        "settle": ("settle", (costs(8, 27), *FIT, False, False, "c", "positive", "all", "component")),
        "settle, a": ("settle", (costs(8, 45), *FIT, False, False, "a", "drop", "none", "component")),
        "settle, b": ("settle", (costs(8, 180), *FIT, True, False, "b", "drop", "all", "interleaved")),
        "settle, d": ("settle", (costs(8, 1000), *FIT, True, True, "d", "positive", "none", "component")),
        "settle, tolerance": ("settle", (some, _close_tolerance(some), *FIT[1:], False, False, "c", *PLAIN)),
        "settle, pairs": ("settle", (_pairs(), *FIT, False, False, "c", *PLAIN)),
        "settle, few steps": ("settle", (costs(8, 33), 0.0, 7, 1e-2, False, True, "c", "drop", "none", "interleaved")),
        "resolve": ("resolve", (prior, state, cost, torch.arange(7), gt.offsets, 50)),
    }


def completion_calls():
    priors, chosen = grid(), torch.Generator().manual_seed(7)
    gt = scene.spoiled_objects(ground_truth(scene.COUNTS))
    bare = objects(gt)
    # a region; one without area; three that make no sense, two of padding; an object between them
    regions = [[8.0, 8, 80, 60], [40, 0, 40, 128], [90, 90, 0, 0], [0, 0, 160, float("inf")], [0, 0, 160, 128]]
    regions += [[60.0, 60, 70, 70], [50, 30, 150, 120], [0, 0, 160, 128], [0, 0, 160, 128]]
    labels, ignore = torch.tensor([0, 0, 0, 0, -1, 0, 0, 0, 0]), torch.arange(9) != 5
    regions = objects(replace(gt, boxes=torch.tensor(regions), labels=labels, ignore=ignore))
    index, reason = (
        torch.randint(-2, 9, (3, priors.count), generator=chosen).clamp(max=7),
        torch.tensor([0, 1, 2, 0, 4, 6, 0, 0, 0]),
    )
    # row 3 had what it needed, and lost it; row 5 is served by a rescue
    index = torch.where((torch.rand(3, priors.count, generator=chosen) < 0.7) | (index == 3), -1, index)
    some, target = index > -2, torch.rand(3, priors.count, generator=chosen)
    centre = (priors.boxes[:, :2] + priors.boxes[:, 2:]) / 2
    own = priors.boxes.half() + torch.arange(3.0)[:, None, None].half()
    own[0, :9], own[1, :9] = float("nan"), float("inf")
    return {
        "complete": ("complete", (index, reason, None, priors.boxes, None, *bare, 0.5)),
        "complete, off": ("complete", (index, reason.char(), target, priors.boxes, some, *regions[:4], 6, -1.0)),
        "complete, half": ("complete", (index, reason, None, priors.boxes, some, *regions, 0.5)),
        "complete, points": ("complete", (index, reason, target, centre.repeat(1, 2), some, *regions, 0.5)),
        "complete, own": ("complete", (index, reason, None, own.mT.contiguous().mT, None, *regions, 0.0)),
        "complete, all": ("complete", (index, reason, None, priors.boxes / 4, None, *regions, 1.0)),
    }


def calls():
    """Op and arguments of each call, by its name."""
    parts = (match_calls(), max_iou_calls(), candidate_calls(), decision_calls(), completion_calls(), paa_calls())
    parts += (rival_cases.rival_calls(), rival_cases.award_calls(), central_cases.central_calls())
    return {name: call for part in parts for name, call in part.items()}


def wanted(op, args):
    """What the reference answers; one that calls other ops, with their references."""
    with patch.dict(os.environ, {"LABELASSIGN_PATH": "reference"}):
        return OPS[op].reference(*args)
