"""Calls of the ops of co-learning that have a Triton path; see triton_cases.py."""

from dataclasses import replace
from functools import cache

import torch

import labelassign as la
from labelassign.ops.dispatch import OPS
from labelassign.ops.objects import objects
from labelassign.testing.networks import spoil
from tests.kernels import triton_scenes as scene
from tests.scenes import grid, ground_truth, predictions


def _rivals(priors, gt, p, other, assigner):
    where = (priors.boxes, priors.valid, *objects(gt, p), p.scores, p.boxes, other.scores, other.boxes)
    claims, cost = assigner._rules(p)[:5], assigner._rules(p)[5:]
    return "rivals", (*where, list(priors.level_sizes), assigner.topk, *claims, other.scores_are, *cost)


def _award(given, assigner, share, choice):
    """The answer from the lists of a call of `rivals`, where `choice` tells `[G, L]` from a generator's numbers."""
    _, args = given
    prior, cost, *_, reason, _, chooser = OPS["rivals"].reference(*args)
    chosen = choice(torch.rand(prior.shape[1:3], generator=torch.Generator().manual_seed(11)))
    options = (*assigner.mixture.options, *assigner.separation.options, share)
    return "award", (chosen, prior, cost, chooser, reason, *args[:7], *options)


def _turned(p):
    """Another network's predictions, of which each image has another image's scores."""
    return replace(p, scores=p.scores.flip(0), boxes=p.boxes + 1)


@cache
def _scenes():
    """Priors shared, own, some of them invalid, in as many levels as there may be; objects; predictions."""
    priors, gt, p = grid(), ground_truth(scene.COUNTS), predictions(grid())
    some = replace(priors, valid=torch.rand(3, priors.count, generator=torch.Generator().manual_seed(3)) < 0.8)
    some.valid[1] = False
    own = replace(priors, boxes=priors.boxes + torch.arange(3.0)[:, None, None])
    most = replace(priors, level_sizes=(100, 120, 80, 50, 30, 20, 15, 5))
    return priors, some, own, most, gt, p


def _nobody(gt):
    """One row, of padding."""
    row = {name: getattr(gt, name)[:1] for name in ("boxes", "labels", "ignore")}
    return replace(gt, **row, offsets=torch.zeros(4).long())


def _mixed():
    """Networks and objects, good and bad, with the rules under which they meet, by name."""
    priors, some, own, most, gt, p = _scenes()
    bad, mess, plain = scene.regions(gt), spoil(p, 0, 0.5), la.PAA()
    none = replace(some, valid=some.valid & (torch.arange(3) < 2)[:, None])
    halves = (scene.half(q, "sigmoid_logits") for q in (p, _turned(p)))
    probs = (scene.half(q, "probs") for q in (mess, _turned(p)))
    far = scene.strided(_turned(p))
    loose = replace(plain, topk=1, cost=la.FocalIoU(alpha=0.4, gamma=1.5))
    tied = scene.tied()
    large = scene.large()
    return {
        "": (priors, gt, p, _turned(p), plain),
        ", mmdet": (none, bad, *halves, la.PAA.mmdet()),
        ", original": (own, bad, p, far, la.PAA.original()),
        ", regions": (some, bad, mess, _turned(p), plain),
        ", own": (own, bad, far, mess, replace(plain, topk=3, pos_iou=0.3)),
        ", no rescue": (some, bad, p, _turned(p), replace(plain, low_quality="off", pos_iou=0.4)),
        ", probs": (priors, bad, *probs, loose),
        ", ties": (*tied, tied[2], plain),
        ", ties, mmdet": (*tied, replace(tied[2], boxes=tied[2].boxes + 1), la.PAA.mmdet()),
        ", most": (most, gt, p, _turned(p), replace(plain, topk=32)),
        ", nobody": (some, _nobody(gt), p, _turned(p), plain),
        ", few": (*scene.few(), scene.few()[2], plain),
        ", large": (*large, replace(large[2], scores=large[2].scores.flip(1)), plain),
    }


def rival_calls():
    return {f"rivals{name}": _rivals(*given) for name, given in _mixed().items()}


def award_calls():
    """All of the first network, all of the second, lists of both, and one choice that is seen everywhere."""
    met, plain, loose = rival_calls(), la.PAA(), la.PAA(topk=3, mixture=la.Mixture(tol=0.0, max_steps=3))
    b = la.Separation(scheme="b", prefix="interleaved")
    d = la.Separation(scheme="d", single="drop")
    rules = {
        "": (plain, 0.5, lambda number: number < 0.5),
        ", mmdet": (la.PAA.mmdet(), -1.0, lambda number: number < 0.5),
        ", original": (la.PAA.original(), -1.0, lambda number: number[:1, :1].expand_as(number) >= 0.0),
        ", regions": (plain, 0.5, lambda number: number < 0.5),
        ", own": (loose, 0.9, lambda number: number[:, :1].expand_as(number) < 0.5),
        ", no rescue": (plain, 0.0, lambda number: number < 0.0),
        ", probs": (replace(plain, separation=la.Separation(scheme="a")), 0.5, lambda number: number < 0.7),
        ", ties": (plain, 0.5, lambda number: number >= 0.0),
        ", ties, mmdet": (la.PAA.mmdet(), -1.0, lambda number: number < 0.3),
        ", most": (replace(plain, separation=d, mixture=la.Mixture(data_variance=True)), 0.5, lambda n: n < 0.5),
        ", nobody": (plain, 0.5, lambda number: number < 0.5),
        ", few": (plain, 0.5, lambda number: number < 0.5),
        ", large": (replace(plain, separation=b, mixture=la.Mixture(normalize=True)), 0.5, lambda n: n < 0.5),
    }
    return {f"award{name}": _award(met[f"rivals{name}"], *rule) for name, rule in rules.items()}
