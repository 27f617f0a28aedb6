"""Named workloads: how large the images are, how many priors and objects they hold, and what two networks say."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torchvision.ops import box_iou

import labelassign as la
from tests.parity.scenes import CLASSES, CODER, Output, Scene, pack

_PYRAMID, _YOLO = (8, 16, 32, 64, 128), (8, 16, 32)
_COCO_COUNTS = (1, 2, 2, 3, 3, 4, 5, 6, 7, 8, 10, 12, 15, 19, 26, 40)  # mean 10.2, tail as in COCO's training images
_BIAS = -4.595  # log(0.01 / 0.99): what focal heads start from


@dataclass(frozen=True)
class Workload:
    """Images of one size with given numbers of objects.

    Arguments:
        name: as `--only` knows it.
        size: height and width in pixels.
        strides: of the levels; one square anchor of side 8 strides in each cell.
        counts: objects per image.
        side: median of the square root of an object's area, in pixels.
    """

    name: str
    size: tuple[int, int]
    strides: tuple[int, ...]
    counts: tuple[int, ...]
    side: float = 70.0

    @property
    def images(self) -> int:
        """B."""
        return len(self.counts)

    @property
    def objects(self) -> int:
        """G, of the whole batch."""
        return sum(self.counts)

    @property
    def title(self) -> str:
        """Name and number of objects."""
        return f"{self.name}, {self.objects} objects"


def _single(name: str, size: tuple[int, int], strides: tuple[int, ...], count: int, side: float = 70.0) -> Workload:
    return Workload(name, size, strides, (count,), side)


COCO = "coco_800x1333_b1"
PRIORS = "priors"  # the same 100 objects, four times fewer and four times more priors
WORKLOADS = (
    *(_single(COCO, (800, 1344), _PYRAMID, count) for count in (20, 100, 400, 5000)),
    Workload("coco_800x1333_b16", (800, 1344), _PYRAMID, _COCO_COUNTS),
    Workload("yolo_640_b16", (640, 640), _YOLO, _COCO_COUNTS, 60.0),
    _single("crowd_640", (640, 640), _YOLO, 400, 24.0),
    _single("crowd_640", (640, 640), _YOLO, 5000, 9.0),
    _single("empty", (800, 1344), _PYRAMID, 0),
    _single(PRIORS, (400, 672), _PYRAMID, 100, 35.0),
    _single(PRIORS, (1600, 2688), _PYRAMID, 100, 140.0),
)


@dataclass(frozen=True)
class Problem:
    """The tensors of a workload; made when first asked for, since a batch of outputs is large."""

    workload: Workload
    device: str = "cpu"

    @cached_property
    def priors(self) -> la.Priors:
        """N anchors."""
        return la.Priors.grid(image_size=self.workload.size, strides=self.workload.strides, scale=8, device=self.device)

    @cached_property
    def scenes(self) -> list[Scene]:
        """The objects of each image."""
        made = [_scene(self.workload, image) for image in range(self.workload.images)]
        return [Scene(each.boxes.to(self.device), each.labels.to(self.device)) for each in made]

    @cached_property
    def gt(self) -> la.GroundTruth:
        """All of them, packed."""
        return pack([Scene(each.boxes.cpu(), each.labels.cpu()) for each in self.scenes]).to(self.device)

    @cached_property
    def student(self) -> Output:
        """Logits `[B, N, C]` and deltas `[B, N, 4]` of one network."""
        return self._network(0)

    @cached_property
    def teacher(self) -> Output:
        """The same of another network."""
        return self._network(1)

    def predictions(self, output: Output) -> la.Predictions:
        """The network's outputs with decoded boxes."""
        return la.Predictions(CODER.decode(self.priors, output.deltas), output.logits)

    def _network(self, number: int) -> Output:
        anchors = self.priors.boxes.cpu()
        seen = [_output(anchors, scene, 100 * number + image) for image, scene in enumerate(self.scenes)]
        logits, deltas = torch.stack([each.logits for each in seen]), torch.stack([each.deltas for each in seen])
        return Output(logits.to(self.device), deltas.to(self.device))


def _scene(workload: Workload, image: int) -> Scene:
    """Log-normal sizes; continuous coordinates, so that no two distances or overlaps are equal by construction."""
    count, g = workload.counts[image], torch.Generator().manual_seed(1000 * image + workload.counts[image])
    side = (workload.side * torch.exp(torch.randn(count, generator=g))).clamp(4, 0.9 * min(workload.size))
    tilt = torch.exp(0.25 * torch.randn(count, generator=g))
    limit = torch.tensor([workload.size[1], workload.size[0]])
    size = torch.stack([side * tilt, side / tilt], 1).minimum(0.97 * limit)
    corner = torch.rand(count, 2, generator=g) * (limit - size)
    return Scene(torch.cat([corner, corner + size], 1), torch.randint(CLASSES, (count,), generator=g))


def _output(anchors: Tensor, scene: Scene, seed: int) -> Output:
    """A half-trained network: the better, the more an anchor overlaps an object."""
    boxes, labels, g = scene.boxes.cpu(), scene.labels.cpu(), torch.Generator().manual_seed(seed)
    logits = _BIAS + 0.8 * torch.randn(len(anchors), CLASSES, generator=g)
    deltas = 0.3 * torch.randn(len(anchors), 4, generator=g)
    if not len(boxes):
        return Output(logits, deltas)
    best = [box_iou(part, boxes).max(1) for part in anchors.split(2048)]  # in parts: 5,000 objects are many
    iou, row = (torch.cat([each[i] for each in best]) for i in range(2))
    seen = (iou > 0.05).nonzero().squeeze(1)
    iou, row = iou[seen], row[seen]
    logits[seen, labels[row]] += 7.0 * iou + 1.2 * torch.randn(len(seen), generator=g)
    wanted = CODER.encode(la.Priors.from_boxes(anchors[seen]), boxes[row])
    reach = (0.55 + 0.4 * iou + 0.1 * torch.randn(len(seen), generator=g))[:, None]
    deltas[seen] = reach * wanted + (1.0 - iou[:, None]) * deltas[seen]
    return Output(logits, deltas)
