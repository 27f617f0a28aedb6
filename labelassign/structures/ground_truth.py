"""The record of annotated objects, packed over the batch."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from labelassign import checks
from labelassign.structures import reading, rows
from labelassign.structures.record import Record


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True, repr=False)
class GroundTruth(Record):
    """The objects of a batch in packed rows: image i owns rows `offsets[i]:offsets[i + 1]`.

    Rows past `offsets[-1]` are padding: they change nothing, and give steps a fixed shape. Memory follows the number
    of objects, not the worst image.

    Attributes:
        boxes: xyxy in pixels `[G, 4]`, float32; or rotated `[G, 5]`: centre x and y, width, height, and the angle in
            radians, clockwise as the image is seen. The width of the last axis says which, in all records.
        labels: class `0..C-1` `[G]`, int64.
        offsets: `[B + 1]`, int64, rising from 0.
        ignore: crowd or ignore regions `[G]`: they own no prior; background inside them becomes IGNORE.
        image_sizes: (height, width) in pixels `[B, 2]`, or None.

    Raises:
        ValueError, TypeError: shapes, dtypes, devices or counts that do not fit. Values are checked by the `from_*`
            constructors, and by assigners in eager mode on the CPU.

    Example:
        >>> gt = la.GroundTruth.from_list([{"boxes": [[8, 8, 24, 40]], "labels": [3]}, {"boxes": [], "labels": []}])
        >>> gt.num_images, gt.num_rows, gt.offsets.tolist()
        (2, 1, [0, 1, 1])
    """

    boxes: Float[Tensor, "G 4"] | Float[Tensor, "G 5"]
    labels: Int[Tensor, " G"]
    offsets: Int[Tensor, " B1"]
    ignore: Bool[Tensor, " G"]
    image_sizes: Float[Tensor, "B 2"] | None = None

    def __post_init__(self) -> None:
        """Check shapes, dtypes, devices and counts; never values."""
        who = "GroundTruth"
        checks.boxes(who, "boxes", self.boxes, ("G",), "float32")
        g = self.boxes.shape[0]
        checks.tensor(who, "labels", self.labels, (g,), "int64")
        checks.tensor(who, "ignore", self.ignore, (g,), "bool")
        checks.tensor(who, "offsets", self.offsets, ("B + 1",), "int64")
        if self.image_sizes is not None:
            checks.tensor(who, "image_sizes", self.image_sizes, (self.num_images, 2), "float32")
        names = ("boxes", "labels", "offsets", "ignore", "image_sizes")
        checks.same_device(who, [(name, getattr(self, name)) for name in names])

    @property
    def num_images(self) -> int:
        """B."""
        return self.offsets.shape[0] - 1

    @property
    def num_rows(self) -> int:
        """G, padding included."""
        return self.boxes.shape[0]

    @property
    def image_of(self) -> Int[Tensor, " G"]:
        """The image that owns each row `[G]`; padding rows name the last image and are not `in_use`."""
        return rows.image_of(self.offsets, self.num_rows)

    @property
    def in_use(self) -> Bool[Tensor, " G"]:
        """Rows that are not padding `[G]`."""
        return rows.in_use(self.offsets, self.num_rows)

    def well_formed(self, num_classes: int | None = None) -> Bool[Tensor, " G"]:
        """Rows with finite boxes, corners in order, and a label in range `[G]`; zero area is allowed."""
        return rows.well_formed(self.boxes, self.labels, num_classes)

    def pad_to(self, total: int) -> Self:
        """The same objects in `total` rows (for CUDA graphs and compiled steps of fixed shape)."""
        extra = total - self.num_rows
        if extra < 0:
            checks.fail("GroundTruth.pad_to", f"total >= {self.num_rows}", total, "Choose a larger bucket.")
        fields = (self.boxes, self.labels, self.ignore)
        more = [field.new_zeros(extra, *field.shape[1:]) for field in fields]
        if self.num_rows:
            more = [torch.cat(pair) for pair in zip(fields, more, strict=True)]
        boxes, labels, ignore = more
        return type(self)(boxes, labels, self.offsets, ignore, self.image_sizes)

    @classmethod
    def from_list(
        cls, images: Sequence[Mapping[str, Any]], *, num_classes: int | None = None, on_bad_box: str = "raise"
    ) -> Self:
        """From one mapping per image: "boxes" `[n, 4 or 5]`, "labels" `[n]`, optional "iscrowd" or "ignore" `[n]`.

        An optional "image_size" (height, width) goes to `image_sizes` if every image has it. Arrays may come from any
        DLPack library. `on_bad_box` says what becomes of rows with NaN, x2 < x1 (w < 0) or a label out of range:
        "raise", "drop" (the rows vanish) or "ignore" (the rows stay and own nothing).
        """
        parts, sizes = reading.read_images(f"{cls.__name__}.from_list", images)
        return cls._checked("from_list", parts, sizes, num_classes, on_bad_box)

    @classmethod
    def from_padded(
        cls, boxes: Any, labels: Any, counts: Any, *, num_classes: int | None = None, on_bad_box: str = "raise"
    ) -> Self:
        """From padded arrays: boxes `[B, M, 4 or 5]`, labels `[B, M]`, and how many rows of each image are real `[B]`.

        `counts` may also be a bool mask `[B, M]` (or `[B, M, 1]`).
        """
        parts = reading.read_padded(f"{cls.__name__}.from_padded", boxes, labels, counts)
        return cls._checked("from_padded", parts, None, num_classes, on_bad_box)

    @classmethod
    def from_coco(
        cls, dataset: Mapping[str, Any], image_ids: Sequence[int] | None = None, *, on_bad_box: str = "raise"
    ) -> Self:
        """From a parsed COCO file: images in the order of `image_ids` (default: the file's).

        Classes are numbered 0, 1, … in the order of their category ids; iscrowd becomes `ignore`.
        """
        parts, sizes = reading.read_coco(f"{cls.__name__}.from_coco", dataset, image_ids)
        return cls._checked("from_coco", parts, sizes, None, on_bad_box)

    @classmethod
    def _checked(
        cls, name: str, parts: rows.Parts, sizes: Tensor | None, num_classes: int | None, on_bad_box: str
    ) -> Self:
        boxes, labels, offsets, ignore = rows.settle(f"{cls.__name__}.{name}", parts, num_classes, on_bad_box)
        return cls(boxes, labels, offsets, ignore, None if sizes is None else sizes.to(boxes.device))

    def to_list(self) -> list[dict[str, Tensor]]:
        """One mapping per image, as `from_list` reads it (on accelerators this waits for the device)."""
        bounds = self.offsets.tolist()
        images: list[dict[str, Tensor]] = []
        for i, (a, b) in enumerate(itertools.pairwise(bounds)):
            image = {"boxes": self.boxes[a:b], "labels": self.labels[a:b], "ignore": self.ignore[a:b]}
            images.append(image if self.image_sizes is None else image | {"image_size": self.image_sizes[i]})
        return images
