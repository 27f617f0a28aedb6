"""Detectors of queries: those of transformers, and RF-DETR."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
import transformers.loss.loss_d_fine as d_fine
import transformers.loss.loss_deformable_detr as deformable
import transformers.loss.loss_for_object_detection as detr
import transformers.loss.loss_rt_detr as real_time
from torch import Tensor

import labelassign as la
from benchmarks.adapters.meter import Place
from benchmarks.adapters.scene import CLASSES, scene
from benchmarks.adapters.subject import Subject, Trainee
from labelassign.adapters.rfdetr import attach as attach_rfdetr
from labelassign.adapters.transformers import attach as attach_transformers
from tests.adapters.query_networks import query_model

ADAM = torch.optim.AdamW
DEPTH = {"decoder_layers": 6, "num_labels": CLASSES, "d_model": 64}
SIZES: dict[str, dict[str, Any]] = {
    "DETR": {"num_queries": 100},
    "Deformable DETR": {"num_queries": 300},
    "RT-DETR": {"num_queries": 300, "num_denoising": 100, "encoder_hidden_dim": 64, "decoder_in_channels": [64] * 3},
    "D-FINE": {"num_queries": 300, "num_denoising": 100, "encoder_hidden_dim": 64, "decoder_in_channels": [64] * 3},
}
CRITERIA = {
    "DETR": (detr.HungarianMatcher, detr.ImageLoss),
    "Deformable DETR": (deformable.DeformableDetrHungarianMatcher, deformable.ImageLoss),
    "RT-DETR": (real_time.RTDetrHungarianMatcher, real_time.RTDetrLoss),
    "D-FINE": (real_time.RTDetrHungarianMatcher, d_fine.DFineLoss),
}


def transformer(kind: str, side: int, objects: int) -> Trainee:
    """A model, with the queries and decoder layers of its publication."""
    model: Any = query_model(kind, **DEPTH, **SIZES[kind]).train()
    batch = scene(side, objects)
    targets = [{"class_labels": n, "boxes": b} for n, b in zip(batch.labels, batch.shares, strict=True)]
    mask = torch.ones(len(targets), side, side).long()

    def loss() -> Tensor:
        labels = [dict(each) for each in targets]
        return model(pixel_values=batch.pixels, pixel_mask=mask, labels=labels).loss

    matcher, criterion = CRITERIA[kind]
    losing, assigning = [(criterion, "get_loss")], [(matcher, "forward")]
    attach = partial(attach_transformers, model)
    return Trainee(model, loss, [(model.model, "forward")], losing, assigning, attach, optimizer=ADAM)


def rfdetr(side: int, objects: int) -> Trainee:
    """The training module, with 13 groups of 300 queries and 2 decoder layers."""
    from rfdetr.models.matcher import HungarianMatcher

    from tests.adapters.rfdetr_models import losses, module, total

    counts = {"num_queries": 300, "num_select": 300, "num_classes": CLASSES, "group_detr": 13}
    grid = {"resolution": side, "positional_encoding_size": side // 16}
    each: Any = module(**counts, **grid).train()
    batch = scene(side, objects)
    size = torch.tensor([side, side])
    pairs = zip(batch.labels, batch.shares, strict=True)
    targets = [{"labels": n, "boxes": b, "orig_size": size} for n, b in pairs]

    def loss() -> Tensor:
        return total(each, losses(each, (batch.pixels, targets)))

    names = ("_match_many", "forward", "_precompute_target_side_safety")
    assigning: list[Place] = [(HungarianMatcher, name) for name in names]
    losing: list[Place] = [(each.criterion, name) for name in ("get_loss", "_get_batched_detection_losses")]
    attach = partial(attach_rfdetr, each)
    return Trainee(each, loss, [(each.model, "forward")], losing, assigning, attach, optimizer=ADAM)


RULES = {"DETR": la.Hungarian.detr(), "Deformable DETR": la.Hungarian.deformable_detr(cls_weight=1.0)}
REAL_TIME = la.Hungarian.rt_detr()
SUBJECTS = (
    *(
        Subject(f"transformers {kind}", "transformers", RULES.get(kind, REAL_TIME), partial(transformer, kind), 320)
        for kind in SIZES
    ),
    Subject("RF-DETR", "rfdetr", la.Hungarian.dino(), rfdetr, 320),
)
