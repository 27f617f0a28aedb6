"""YOLOv8 in ultralytics' own trainer: its stock rule, then LAD with the network of the first run as the teacher.

A user writes one line, `attach`; all else is ultralytics as its documentation has it.
Run it: `python -m examples.with_ultralytics`  (pip install 'labelassign[ultralytics]')
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import labelassign as la
from examples.common import crops, steps_asked, told
from labelassign.adapters.ultralytics import attach

# this run leaves no settings behind and asks nobody for a newer version
os.environ.setdefault("YOLO_CONFIG_DIR", tempfile.mkdtemp())
os.environ.setdefault("YOLO_OFFLINE", "1")

from ultralytics import YOLO

STOCK = la.TaskAligned.ultralytics()
STILL = dict.fromkeys(("mosaic", "translate", "scale", "hsv_h", "hsv_s", "hsv_v"), 0.0)


def write(folder: Path) -> Path:
    """The crops as ultralytics reads them: pictures, and beside them lines of class and normalised box."""
    for i, (pixels, objects) in enumerate(zip(*crops(), strict=True)):
        for part in ("images", "labels"):
            (folder / part).mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "images" / f"{i}.png")
        low, high = np.split(objects["boxes"] / pixels.shape[0], 2, 1)
        lines = [f"0 {x} {y} {w} {h}\n" for x, y, w, h in np.concatenate([(low + high) / 2, high - low], 1)]
        (folder / "labels" / f"{i}.txt").write_text("".join(lines), encoding="utf-8")
    path = folder / "data.yaml"
    path.write_text(f"path: {folder}\ntrain: images\nval: images\nnames: [tree]\n", encoding="utf-8")
    return path


def learn(assigner: la.Assigner, teacher: YOLO | None, steps: int, data: Path) -> YOLO:
    """Train for that many epochs of one batch; say what the assigner decided first and last."""
    model, losses, stats = YOLO("yolov8n.yaml"), [], []
    # --- assignment
    handle = attach(model, assigner, teacher=teacher)
    # --- end
    model.add_callback("on_train_batch_end", lambda trainer: losses.append(float(trainer.loss.detach())))
    model.add_callback("on_train_batch_end", lambda trainer: stats.append(handle.stats))
    quiet = {"verbose": False, "plots": False, "workers": 0, "device": "cpu", "project": str(data.parent / "runs")}
    how = {"imgsz": 192, "batch": 4, "optimizer": "AdamW", "lr0": 2e-3, "warmup_epochs": 0.0, "val": False, "nbs": 4}
    model.train(data=str(data), epochs=steps, **quiet, **how, **STILL)
    print(type(assigner).__name__)
    for when, i in (("before", 0), ("after", -1)):
        print(told(when, stats[i], losses[i]))
    return model


def main() -> None:
    """Train twice."""
    steps = steps_asked(__doc__, 12)
    with tempfile.TemporaryDirectory() as folder:
        data = write(Path(folder))
        teacher = learn(STOCK, None, steps, data)
        learn(la.LAD(STOCK), teacher, steps, data)


if __name__ == "__main__":
    main()
