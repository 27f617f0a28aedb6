"""RF-DETR in its own Lightning module, on real tree crowns: its own rule, then three queries per tree in every group.

Run it: `python -m examples.with_rfdetr`  (pip install 'labelassign[rfdetr]' 'rfdetr[train]')
"""

from __future__ import annotations

import tempfile
import warnings
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from rfdetr.config import PretrainWeightsCompatibilityWarning, RFDETRNanoConfig, TrainConfig
from rfdetr.training import RFDETRModelModule
from torch import Tensor
from torch.utils.data import DataLoader

import labelassign as la
from examples.common import SIZE, crops, steps_asked, told
from labelassign.adapters import Handle
from labelassign.adapters.rfdetr import attach

warnings.simplefilter("ignore", PretrainWeightsCompatibilityWarning)  # this run downloads no weights


def network(folder: str) -> RFDETRModelModule:
    """A short RF-DETR that knows nothing of this library: 3 groups of 100 queries, on a third of Nano's encoder.

    The encoder stays as it begins: without the published weights, it would need more than some steps.
    """
    torch.manual_seed(0)
    size = {"resolution": SIZE, "out_feature_indexes": [2, 4], "num_queries": 100, "num_select": 100, "group_detr": 3}
    config = RFDETRNanoConfig(pretrain_weights=None, num_classes=1, device="cpu", freeze_encoder=True, **size)
    rates = {"lr": 3e-4, "lr_component_decay": 1.0}
    plan = {"dataset_dir": None, "output_dir": folder, "accelerator": "cpu", "multi_scale": False}
    return RFDETRModelModule(config, TrainConfig(**plan, **rates))


def batch() -> tuple[Tensor, list[dict[str, Tensor]]]:
    """Two crops, and their trees as shares of the image; those cut by its border are left out."""
    pixels, found = crops()
    targets = []
    for each in found[:2]:
        boxes = torch.as_tensor(each["boxes"][~each["ignore"]]).float() / SIZE
        boxes = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
        targets.append({"boxes": boxes, "labels": torch.as_tensor(each["labels"][~each["ignore"]])})
    return torch.from_numpy(pixels[:2]).permute(0, 3, 1, 2).float() / 255, targets


class Tell(Callback):
    """Print what the assigner did in the first and in the last step; layers and groups count as images of their own."""

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, *_: Any) -> None:
        """After each step."""
        if trainer.global_step in (1, trainer.max_steps):
            when = "before" if trainer.global_step == 1 else "after"
            print(told(when, Handle.of(pl_module).stats, float(outputs["loss"])))


def train(model: RFDETRModelModule, folder: str, steps: int) -> None:
    """The crops as one batch, so many times."""
    quiet = dict.fromkeys(("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary"), False)
    plan = {"max_steps": steps, "gradient_clip_val": 0.1, "log_every_n_steps": 1, "default_root_dir": folder}
    Trainer(accelerator="cpu", callbacks=[Tell()], **plan, **quiet).fit(model, DataLoader([batch()], batch_size=None))


def main() -> None:
    """Train once with each assigner, from the same start."""
    steps = steps_asked(__doc__, 14)
    for name, assigner in (
        ("Hungarian", la.Hungarian.dino()),
        ("Hungarian, 3 queries per tree", la.Hungarian("focal", 2.0, repeats=3)),
    ):
        print(name)
        with tempfile.TemporaryDirectory() as folder:
            model = network(folder)
            # --- assignment
            attach(model, assigner)
            # --- end
            train(model, folder, steps)


if __name__ == "__main__":
    main()
