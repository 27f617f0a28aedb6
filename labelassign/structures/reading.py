"""Reading annotations in the shapes that datasets have, behind the constructors of `GroundTruth`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from labelassign import checks
from labelassign.structures.arrays import as_tensor
from labelassign.structures.rows import Parts


def read_images(who: str, images: Sequence[Mapping[str, Any]]) -> tuple[Parts, Tensor | None]:
    """Pack one mapping per image."""
    boxes: list[Tensor] = []
    labels: list[Tensor] = []
    ignore: list[Tensor] = []
    for i, image in enumerate(images):
        missing = [key for key in ("boxes", "labels") if key not in image]
        if missing:
            fix = "Every image needs boxes and labels; an image without objects has empty ones."
            checks.fail(f"{who}, image {i}", "keys `boxes` and `labels`", f"keys {sorted(image)}", fix)
        box = as_tensor(f"{who}, image {i}", "boxes", image["boxes"], torch.float32)
        label = as_tensor(f"{who}, image {i}", "labels", image["labels"], torch.int64).reshape(-1)
        crowd = image.get("iscrowd", image.get("ignore"))
        flag = torch.zeros_like(label) if crowd is None else as_tensor(f"{who}, image {i}", "iscrowd", crowd)
        if box.numel():
            checks.boxes(f"{who}, image {i}", "boxes", box, ("n",), "float32")
        found = {"boxes": box.shape[0] if box.numel() else 0, "labels": label.shape[0], "iscrowd": flag.numel()}
        checks.equal(f"{who}, image {i}", "number of objects", found, "Give one row per object.")
        boxes.append(box)
        labels.append(label.to(box.device))
        ignore.append(flag.reshape(-1).to(box.device, torch.bool))
    if not images:
        checks.fail(who, "at least one image", "an empty list", "An image without objects has empty boxes.")
    offsets = torch.tensor([0, *(len(b) for b in labels)]).cumsum(0).to(boxes[0].device)
    sized = [image["image_size"] for image in images if "image_size" in image]
    sizes = torch.stack([as_tensor(who, "image_size", s, torch.float32) for s in sized]) if sized else None
    parts = (_joined(who, boxes), torch.cat(labels), offsets, torch.cat(ignore))
    return parts, sizes if len(sized) == len(images) else None


def _joined(who: str, boxes: list[Tensor]) -> Tensor:
    """The boxes of all images; where there is nothing, any shape will do, and the others say how wide it is."""
    widths = {f"image {i}": box.shape[1] for i, box in enumerate(boxes) if box.numel()}
    checks.equal(who, "kind of boxes (4 numbers each, or 5)", widths, "Give upright ones as centre, sides, angle 0.")
    empty = 5 if any(box.shape[-1:] == (5,) for box in boxes) else 4
    width = next(iter(widths.values()), empty)
    return torch.cat([box if box.numel() else box.reshape(0, width) for box in boxes])


def read_padded(who: str, boxes: Any, labels: Any, counts: Any) -> Parts:
    """Pack padded arrays; the order of an image's real rows is kept."""
    box = as_tensor(who, "boxes", boxes, torch.float32)
    checks.boxes(who, "boxes", box, ("B", "M"), "float32")
    batch, most = box.shape[:2]
    label = as_tensor(who, "labels", labels, torch.int64).to(box.device)
    checks.equal(who, "number of labels", {"boxes": batch * most, "labels": label.numel()}, "Give `[B, M]` labels.")
    real = as_tensor(who, "counts", counts).to(box.device)
    if real.dtype == torch.bool:
        checks.equal(who, "mask size", {"boxes": batch * most, "counts": real.numel()}, "Give a `[B, M]` mask.")
        mask = real.reshape(batch, most)
    else:
        checks.tensor(who, "counts", real.long(), (batch,), "int64")
        mask = torch.arange(most, device=box.device) < real[:, None]
    offsets = torch.cat([mask.new_zeros(1, dtype=torch.int64), mask.sum(1).cumsum(0)])
    return box[mask], label.reshape(batch, most)[mask], offsets, mask.new_zeros(int(offsets[-1]))


def read_coco(who: str, dataset: Mapping[str, Any], image_ids: Sequence[int] | None) -> tuple[Parts, Tensor | None]:
    """Pack a parsed COCO file."""
    missing = [key for key in ("images", "annotations", "categories") if key not in dataset]
    if missing:
        fix = "Pass the parsed JSON of an instances file."
        checks.fail(who, "keys `images`, `annotations`, `categories`", f"keys {sorted(dataset)}", fix)
    order = {c["id"]: i for i, c in enumerate(sorted(dataset["categories"], key=lambda c: c["id"]))}
    known = {image["id"]: image for image in dataset["images"]}
    ids = list(known) if image_ids is None else list(image_ids)
    unknown = [i for i in ids if i not in known]
    if unknown:
        checks.fail(who, "image ids of this file", unknown[:5], "Leave them out or load the right file.")
    rows: dict[int, list[Mapping[str, Any]]] = {i: [] for i in ids}
    for annotation in dataset["annotations"]:
        if annotation["image_id"] in rows:
            rows[annotation["image_id"]].append(annotation)
    images: list[dict[str, Any]] = []
    for i in ids:
        image: dict[str, Any] = {
            "boxes": [[x, y, x + w, y + h] for x, y, w, h in (a["bbox"] for a in rows[i])],
            "labels": [order[a["category_id"]] for a in rows[i]],
            "iscrowd": [bool(a.get("iscrowd", 0)) for a in rows[i]],
        }
        if "height" in known[i]:
            image["image_size"] = [known[i]["height"], known[i]["width"]]
        images.append(image)
    return read_images(who, images)
