"""The keys of entries: a hash over everything that the answer for one image depends on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import numpy.typing as npt
from torch import Tensor

from labelassign import checks
from labelassign.caching.identity import WHO
from labelassign.structures import GroundTruth, Priors

Versions = tuple[int, ...]


def host(tensor: Tensor) -> npt.NDArray[Any]:
    """The values, in one piece; waits for an accelerator."""
    return np.ascontiguousarray(tensor.detach().cpu().numpy())


def named(image: object) -> bytes:
    """An image's name, of which the number 1 is another than the text."""
    if isinstance(image, str):
        return b"s" + image.encode("utf-8", "surrogatepass")  # file names may hold anything
    if isinstance(image, int) and not isinstance(image, bool):
        return b"i%d" % image
    fix = "Name every image by a str or an int, with its augmentation: 'cat.jpg/crop3'."
    return checks.fail(WHO, "a str or an int as name of an image", checks.describe(image), fix, TypeError)


class Keys:
    """Makes the keys of batches; remembers the hash of priors that it has seen.

    Arguments:
        identity: what the entries of a cache have in common.
    """

    def __init__(self, identity: bytes) -> None:
        self._identity = identity
        self._seen: WeakKeyDictionary[Priors, tuple[Versions, bytes]] = WeakKeyDictionary()

    def of(self, images: Sequence[str | int], priors: Priors, gt: GroundTruth, bounds: list[int]) -> list[bytes]:
        """One key of 32 bytes per image; `bounds` are the values of `gt.offsets`."""
        boxes, labels, ignore = (host(t) for t in (gt.boxes, gt.labels, gt.ignore))
        objects = ((boxes.tobytes(), 4 * boxes.shape[1]), (labels.tobytes(), 8), (ignore.tobytes(), 1))
        whole = [
            _rows(None if gt.image_sizes is None else host(gt.image_sizes)),
            _rows(None if priors.valid is None else np.packbits(host(priors.valid), axis=1)),
            _rows(host(priors.boxes) if priors.boxes.dim() == 3 else None),
        ]
        # lengths of all that follows are known from here, and from the two that stand in front of each image's own
        lengths = bytes([boxes.shape[1], *(size > 0 for _, size in whole)])
        head = self._identity + self._priors(priors) + lengths
        keys: list[bytes] = []
        for i, (name, (a, b)) in enumerate(zip(map(named, images), pairwise(bounds), strict=True)):
            own = [blob[size * a : size * b] for blob, size in objects]
            own += [blob[size * i : size * i + size] for blob, size in whole]
            parts = (head, len(name).to_bytes(8), name, (b - a).to_bytes(8), *own)
            keys.append(hashlib.blake2b(b"".join(parts), digest_size=32).digest())
        return keys

    def _priors(self, priors: Priors) -> bytes:
        """What images share of the priors; read once, and again if a tensor was changed in place."""
        shared = [t for t in (priors.boxes, priors.strides) if t is not None]
        counted = not any(t.is_inference() for t in shared)  # of these nobody knows whether they changed
        versions = tuple(t._version for t in shared) if counted else ()  # pyright: ignore[reportPrivateUsage]
        known = self._seen.get(priors)
        if known is None or not counted or known[0] != versions:
            known = versions, _digest(priors)
            self._seen[priors] = known
        return known[1]


def _rows(values: npt.NDArray[Any] | None) -> tuple[bytes, int]:
    """The bytes of all images, and how many each has."""
    if values is None or not values.size:
        return b"", 0
    return values.tobytes(), values.nbytes // values.shape[0]


def _digest(priors: Priors) -> bytes:
    plain = (priors.kind, priors.level_sizes, priors.per_cell, list(priors.boxes.shape[-2:]))
    found = hashlib.sha256(repr(plain).encode())
    if priors.boxes.dim() == 2:
        found.update(host(priors.boxes).data)
    if priors.strides is not None:
        found.update(host(priors.strides).data)
    return found.digest()
