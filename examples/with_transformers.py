"""Deformable DETR of transformers on real tree crowns, in a `Trainer`: its own rule, several queries per tree, LAD.

Run it: `python -m examples.with_transformers`
"""

from __future__ import annotations

import tempfile
from typing import Any

import torch
import transformers
from torch import Tensor
from torch.utils.data import Dataset

import labelassign as la
from examples.common import SIZE, crops, steps_asked, told
from labelassign.adapters import Handle
from labelassign.adapters.transformers import attach


def network() -> transformers.DeformableDetrForObjectDetection:
    """A small Deformable DETR that knows nothing of this library; all begin with the same queries, which LAD needs."""
    transformers.set_seed(0)
    stages = {"hidden_sizes": [32, 64, 96, 128], "depths": [1] * 4, "layer_type": "basic"}
    backbone = transformers.ResNetConfig(**stages, embedding_size=32, out_features=["stage2", "stage3"])
    width = {"d_model": 64, "encoder_ffn_dim": 128, "decoder_ffn_dim": 128, "num_feature_levels": 2}
    layers = {"encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4}
    options = {"num_queries": 100, "num_labels": 1, "with_box_refine": True, "auxiliary_loss": True, "dropout": 0.0}
    config = transformers.DeformableDetrConfig(backbone_config=backbone, **width, **layers, **options)
    return transformers.DeformableDetrForObjectDetection(config)


class Crops(Dataset):
    """Pixels, and trees as shares of the image; those cut by its border are left out."""

    def __init__(self) -> None:
        pixels, self.objects = crops()
        self.pixels = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255

    def __len__(self) -> int:
        """Four."""
        return len(self.pixels)

    def __getitem__(self, i: int) -> dict[str, Any]:
        """As the model takes it."""
        whole = ~self.objects[i]["ignore"]
        boxes = torch.as_tensor(self.objects[i]["boxes"][whole]).float() / SIZE
        boxes = torch.cat([(boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]], 1)
        labels = torch.as_tensor(self.objects[i]["labels"][whole])
        return {"pixel_values": self.pixels[i], "labels": {"boxes": boxes, "class_labels": labels}}


def collate(items: list[dict[str, Any]]) -> dict[str, Tensor | list[dict[str, Tensor]]]:
    """One batch."""
    pixels, labels = ([item[name] for item in items] for name in ("pixel_values", "labels"))
    return {"pixel_values": torch.stack(pixels), "labels": labels}


class Tell(transformers.TrainerCallback):
    """Print what the assigner did in the first and in the last step."""

    def on_log(self, args: Any, state: Any, control: Any, model: Any, logs: dict[str, float], **_: Any) -> None:
        """Once for every step; the decoder layers count as images of their own."""
        if "loss" in logs and state.global_step in (1, state.max_steps):
            when = "before" if state.global_step == 1 else "after"
            print(told(when, Handle.of(model).stats, float(logs["loss"])))


def train(model: transformers.PreTrainedModel, steps: int) -> None:
    """The four crops as one batch, so many times."""
    with tempfile.TemporaryDirectory() as folder:
        plan = {"max_steps": steps, "per_device_train_batch_size": 4, "learning_rate": 1e-3, "save_strategy": "no"}
        quiet = {"logging_steps": 1, "disable_tqdm": True, "report_to": [], "remove_unused_columns": False}
        options = transformers.TrainingArguments(folder, use_cpu=True, dataloader_pin_memory=False, **plan, **quiet)
        trainer = transformers.Trainer(model, options, data_collator=collate, train_dataset=Crops(), callbacks=[Tell()])
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()


def main() -> None:
    """Train once with each assigner, from the same start; the first network teaches the last."""
    steps = steps_asked(__doc__, 15)
    teacher = network()
    own = la.Hungarian.deformable_detr(cls_weight=1.0)
    for name, model, assigner, options in (
        ("Hungarian", teacher, own, {}),
        ("Hungarian, 3 queries per tree", network(), la.Hungarian("focal", repeats=3), {}),
        ("LAD", network(), la.LAD(la.Hungarian("focal", shared_queries=True)), {"teacher": teacher}),
    ):
        print(name)
        with attach(model, assigner, **options):
            train(model, steps)


if __name__ == "__main__":
    main()
