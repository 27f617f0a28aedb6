"""Scenes of the calls of kernels: objects, priors and predictions of every awkward kind."""

from dataclasses import replace

import torch

import labelassign as la
from labelassign.structures import Predictions
from tests.scenes import grid, ground_truth, predictions

CLASSES, COUNTS = 6, (4, 0, 3)


def spoiled_objects(gt):
    """One row ignored, one with a NaN, one infinite, one with a label out of range, two of padding."""
    boxes, labels, ignore = gt.boxes.clone(), gt.labels.clone(), gt.ignore.clone()
    boxes[1, 2], boxes[4, 3], ignore[2], labels[6] = float("nan"), float("inf"), True, CLASSES
    return replace(gt, boxes=boxes, labels=labels, ignore=ignore).pad_to(gt.num_rows + 2)


def tied():
    """Priors that repeat, objects that repeat and objects on priors, with equal predictions: ties of every kind."""
    priors = grid()
    gt = la.GroundTruth.from_list([
        {"boxes": priors.boxes[[30, 30, 300, 301]], "labels": [1, 1, 0, 2]},
        {"boxes": torch.cat([priors.boxes[[50]] + 3, torch.tensor([[400.0, 400, 450, 450]])]), "labels": [3, 3]},
    ])  # fmt: skip
    boxes = priors.boxes.expand(2, -1, -1).clone()
    return priors, gt, Predictions(boxes, torch.zeros(2, priors.count, CLASSES))


def half(p, form):
    scores = p.scores.sigmoid() if form == "probs" else p.scores
    return Predictions(p.boxes.half(), scores.bfloat16(), form)


def strided(p):
    """The same numbers, classes and corners far apart in memory."""
    return replace(p, boxes=p.boxes.mT.contiguous().mT, scores=p.scores.mT.contiguous().mT)


def sure():
    """Predictions of the object itself, ever surer of its class: costs far below the rounding of 1, and falling."""
    priors, gt = grid(), la.GroundTruth.from_list([{"boxes": [[30.0, 20, 70, 60]], "labels": [2]}])
    scores = torch.full((1, priors.count, CLASSES), -60.0)
    scores[..., 2] = torch.linspace(30, 60, priors.count)
    return priors, gt, Predictions(gt.boxes.expand(1, priors.count, 4).contiguous(), scores)


def regions(gt):
    """Two objects more in the first image and one in the last are ignored regions; then there are rows of padding."""
    boxes = torch.tensor([[8.0, 8, 80, 60], [90, 40, 150, 120], [0, 0, 60, 128]])
    order = torch.tensor([0, 1, 2, 3, 7, 8, 4, 5, 6, 9])
    labels, ignore = torch.cat([gt.labels, gt.labels[:3]]), torch.arange(10) >= 7
    rows = {"boxes": torch.cat([gt.boxes, boxes])[order], "labels": labels[order], "ignore": ignore[order]}
    return spoiled_objects(replace(gt, **rows, offsets=torch.tensor([0, 6, 6, 10])))


def large():
    """More priors on a level, and of an image, than a program reads at once; a row in need of the last of them."""
    priors, gt = la.Priors.grid(image_size=(256, 256), strides=(4, 16), scale=4), ground_truth((4,))
    boxes = torch.cat([gt.boxes[:3] * 1.5, torch.tensor([[201.0, 250, 204, 253]])])
    return priors, replace(gt, boxes=boxes, ignore=torch.arange(4) == 2), predictions(priors, 1)


def few():
    """An object in need of one of two priors, of which the better is invalid."""
    gt = la.GroundTruth.from_list([{"boxes": [[30.0, 30, 33, 33]], "labels": [1]}])
    priors = la.Priors.from_boxes(torch.tensor([[28.0, 28, 36, 36], [20, 20, 60, 60]]))
    return replace(priors, valid=torch.tensor([[False, True]])), gt, predictions(priors, 1)
