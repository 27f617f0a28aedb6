"""The cache of a frozen teacher's assignments."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import nn

from labelassign import checks
from labelassign.assigners import Assigner
from labelassign.caching import entries
from labelassign.caching.identity import WHO, fingerprint, identity, require_cacheable
from labelassign.caching.keys import Keys
from labelassign.caching.store import LEAST, lmdb, store_in
from labelassign.structures import Assignment, GroundTruth, Priors

KINDS = {"gt_index": "int64", "reason": "int8", **dict.fromkeys(entries.FLOATS, "float32")}


class AssignmentCache:
    """Assignments that a frozen network decides, computed once per image and kept on disk.

    The answer is that of `compute`, bit for bit, without its diagnostics. An entry is known by the image's name, its
    objects (boxes, labels, ignore flags, size), the priors, every option of the assigner, the teacher and the version
    of this package: where one of these changes, the image is computed again. What else `compute` depends on must be in
    the name, above all the augmentation ("cat.jpg/crop3"), or in a `teacher` string of your own: the code of an
    assigner written elsewhere, the precision in which the teacher runs.

    Any number of processes may use one folder at once, on one machine (LMDB needs a local file system): ranks,
    DataLoader workers, forked or not, runs with other teachers. A process killed at any moment leaves whole entries
    only, and every call that returned is kept; a power cut may undo the last call. An entry with a wrong checksum is
    computed and written again.

    Where the folder is full, nothing is thrown away: training visits the images in rounds, and of a round that does not
    fit the oldest entry is the one wanted soonest. What is kept stays useful; the rest is computed every time.

    Arguments:
        folder: of the database; made if it is missing.
        assigner: decides every image by itself, from one frozen network: LAD, or a plain assigner over the teacher's
            predictions.
        teacher: that network, of which the hash of its state is taken here, once; or a string that stands for it.
        size: most bytes of the database. Of several caches of one folder in a process, the largest counts.
    Attributes: `assigner`, `folder`, `size`, and `teacher`, the fingerprint as a string.
    Cost: of a hit the objects are hashed and some KB read; no network runs, nothing is assigned. Objects on an
    accelerator are copied to the host, which waits for it: pass those of the DataLoader, and move the answer.
    Raises: ImportError without lmdb; ValueError for assigners that need `step` or two networks, and for sizes too
    small; TypeError for assigners whose options cannot be told apart.

    Example:
        >>> import tempfile
        >>> lad, folder = la.LAD(la.PAA()), tempfile.TemporaryDirectory()
        >>> cache = la.AssignmentCache(folder.name, lad, teacher="seed 0")
        >>> for epoch in range(3):
        ...     a = cache(["a.jpg", "b.jpg"], priors, gt, lambda: lad(priors, gt, teacher=predictions))
        >>> a.per_gt_count.tolist(), cache.stats["hits"], cache.stats["misses"]
        ([6, 6, 4], 4, 2)
    """

    def __init__(
        self, folder: str | os.PathLike[str], assigner: Assigner, teacher: nn.Module | str, size: int = 1 << 30
    ) -> None:
        require_cacheable(assigner)
        if isinstance(size, bool) or not isinstance(size, int) or size < LEAST:
            checks.fail(WHO, f"`size` as a whole number of bytes, {LEAST} or more", repr(size), "Allow more.")
        lmdb()
        self.folder = os.path.realpath(os.fspath(folder))
        self.assigner, self.teacher, self.size = assigner, fingerprint(teacher), size
        self._keys = Keys(identity(assigner, self.teacher))
        self._store = store_in(self.folder, size)
        self._counts = dict.fromkeys(("hits", "misses", "refused"), 0)

    @torch.compiler.disable  # files are no part of a graph
    def __call__(
        self, images: Sequence[str | int], priors: Priors, gt: GroundTruth, compute: Callable[[], Assignment]
    ) -> Assignment:
        """The assignment of a batch, on the device of `gt`.

        Arguments:
            images: the name of every image, its augmentation included.
            priors: as `compute` has them.
            gt: as `compute` has it; rows may be padding.
            compute: gives the whole batch's assignment; called only if an entry is missing.

        Raises:
            ValueError, TypeError: names, records or an assignment that do not belong together.
            OSError: the folder cannot be used.
        """
        bounds = _checked(images, priors, gt)
        keys = self._keys.of(images, priors, gt, bounds)
        kept = self._store.read(keys)
        rows = [b - a for a, b in pairwise(bounds)]
        found = map(entries.sound, keys, kept, rows)
        missing = [i for i, there in enumerate(found) if not there]
        self._counts["hits"] += len(keys) - len(missing)
        if not missing:
            return entries.read([entry for entry in kept if entry is not None], gt, bounds, priors)
        self._counts["misses"] += len(missing)
        answer = _same_batch(compute(), priors, gt, bounds)
        if not self._store.write(entries.write(keys, missing, answer, bounds, priors)):
            self._counts["refused"] += len(missing)
        return replace(answer.to(gt.boxes.device), diagnostics={})

    @property
    def stats(self) -> dict[str, int]:
        """Images found, computed, and not kept for want of room, by this object; bytes of the database, by all."""
        return {**self._counts, "bytes": self._store.taken}

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies, and those sent to other processes, carry the settings and count from 0."""
        return type(self), (self.folder, self.assigner, self.teacher, self.size)

    def __repr__(self) -> str:
        counts = ", ".join(f"{count} {name}" for name, count in self._counts.items())
        return f"AssignmentCache({self.folder!r}, {type(self.assigner).__name__}: {counts})"


def _checked(images: Sequence[str | int], priors: Priors, gt: GroundTruth) -> list[int]:
    """The values of `gt.offsets`, if all is of one batch."""
    if isinstance(images, (str, bytes)) or not isinstance(images, Sequence):
        fix = "Pass a list, one name per image."
        checks.fail(WHO, "`images` as a list of str or int", checks.describe(images), fix, TypeError)
    for name, value, kind in (("priors", priors, Priors), ("gt", gt, GroundTruth)):
        if not isinstance(value, kind):
            fix = "Pass what the assigner is called with."
            checks.fail(WHO, f"`{name}` as {kind.__name__}", checks.describe(value), fix, TypeError)
    sizes = {"images": len(images), "gt": gt.num_images}
    if priors.boxes.dim() == 3:
        sizes["priors.boxes"] = priors.boxes.shape[0]
    if priors.valid is not None:
        sizes["priors.valid"] = priors.valid.shape[0]
    checks.equal(WHO, "number of images", sizes, "Pass names and records of one batch.")
    return gt.offsets.tolist()


def _same_batch(answer: Assignment, priors: Priors, gt: GroundTruth, bounds: list[int]) -> Assignment:
    """What `compute` gave, if it can be kept without loss."""
    who, fix = f"{WHO}, `compute`", "Return the assigner's answer for these priors and this ground truth."
    if not isinstance(answer, Assignment):
        checks.fail(who, "an Assignment", checks.describe(answer), fix, TypeError)
    shape, rows = (gt.num_images, priors.count), (gt.num_rows,)
    for name, kind in KINDS.items():
        checks.tensor(who, name, getattr(answer, name), rows if name == "reason" else shape, kind)
    if answer.offsets.tolist() != bounds:
        checks.fail(who, f"offsets {bounds}", answer.offsets.tolist(), fix)
    return answer
