"""A small RF-DETR, and one batch that it learns."""

import warnings
from unittest.mock import patch

import torch
from rfdetr.config import PretrainWeightsCompatibilityWarning, RFDETRNanoConfig, RFDETRSegNanoConfig, TrainConfig
from rfdetr.models.backbone import dinov2
from rfdetr.training import RFDETRModelModule

# The smallest encoder of theirs has 22 million parameters, and its sizes are in no option.
VIT = dinov2.get_config("small", False) | {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES = {"hidden_dim": 32, "sa_nheads": 2, "ca_nheads": 2, "dec_n_points": 2, "out_feature_indexes": [1, 2]}
SIDE = 96
GRID = {"patch_size": 16, "num_windows": 1, "resolution": SIDE, "positional_encoding_size": SIDE // 16}
COUNTS = {"num_queries": 12, "num_select": 12, "num_classes": 3, "group_detr": 3}


def module(seed=0, masks=False, folder="output", **more):
    """A training module of 3 classes, 3 groups of 12 queries and 2 decoder layers."""
    torch.manual_seed(seed)
    kind = RFDETRSegNanoConfig if masks else RFDETRNanoConfig
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", PretrainWeightsCompatibilityWarning)
        config = kind(pretrain_weights=None, device="cpu", dec_layers=2, **{**SIZES, **GRID, **COUNTS, **more})
    options = {"dataset_dir": None, "output_dir": str(folder), "accelerator": "cpu", "multi_scale": False}
    options |= {"use_ema": False, "tensorboard": False, "lr": 1e-3, "lr_encoder": 1e-3}
    with patch.multiple(dinov2, get_config=lambda *_: dict(VIT), size_to_width={"small": 32}):
        return RFDETRModelModule(config, TrainConfig(**options))


def pictures(side=SIDE):
    """Flat rectangles on noise; the last image is empty."""
    g = torch.Generator().manual_seed(3)
    pixels = 0.1 * torch.rand(2, 3, side, side, generator=g)
    boxes = torch.tensor([[0.3, 0.3, 0.2, 0.4], [0.7, 0.6, 0.3, 0.3], [0.4, 0.7, 0.2, 0.2]])
    labels = torch.tensor([0, 1, 2])
    masks = torch.zeros(3, side, side, dtype=torch.bool)
    for i, (x, y, w, h) in enumerate(boxes.tolist()):
        rows, columns = (slice(int((c - s / 2) * side), int((c + s / 2) * side)) for c, s in ((y, h), (x, w)))
        pixels[0, i, rows, columns] += 0.8
        masks[i, rows, columns] = True
    size = torch.tensor([side, side])
    full = {"labels": labels, "boxes": boxes, "masks": masks, "orig_size": size}
    return pixels, [full, {name: each if name == "orig_size" else each[:0] for name, each in full.items()}]


def batch(side=SIDE, masks=False):
    """Without masks, unless they are asked for."""
    pixels, targets = pictures(side)
    return pixels, [{k: v for k, v in each.items() if masks or k != "masks"} for each in targets]


def losses(each, given=None, seed=0):
    """Of one batch; the seed is for what samples."""
    torch.manual_seed(seed)
    pixels, targets = given or batch()
    return each.criterion(each.model(pixels, targets), targets)


def total(each, found):
    """What it learns from."""
    return sum(
        value * each.criterion.weight_dict[name] for name, value in found.items() if name in each.criterion.weight_dict
    )


def learn(each, steps, given=None, rate=1e-3):
    """Loss of every step."""
    each.train()
    optimizer = torch.optim.AdamW(each.parameters(), lr=rate)
    found = []
    for step in range(steps):
        loss = total(each, losses(each, given, step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        found.append(float(loss.detach()))
    return found
