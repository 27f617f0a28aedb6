"""One image's assignment as bytes, without loss: priors that are plain background take no room.

Checksum (4 bytes), number of priors listed (4), six words for each of these (prior, row inside the image or code, and
the bits of quality, cls_target, cls_weight and loc_weight), reasons (1 byte for each row of the image).
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch

from labelassign import checks
from labelassign.caching.identity import WHO
from labelassign.caching.keys import host
from labelassign.structures import BACKGROUND, IGNORE, Assignment, GroundTruth, Priors, Reason

FLOATS = ("quality", "cls_target", "cls_weight", "loc_weight")
WORD, HEAD = struct.Struct("=I"), struct.Struct("=II")
SIZE = WORD.size * (2 + len(FLOATS))


def sound(key: bytes, entry: bytes | None, rows: int) -> bool:
    """Whether an entry is there, and what was written under this key for an image of so many rows."""
    if entry is None or len(entry) < HEAD.size:
        return False
    checksum, count = HEAD.unpack_from(entry)
    return len(entry) == HEAD.size + SIZE * count + rows and checksum == _checksum(key, memoryview(entry)[WORD.size :])


def _checksum(key: bytes, body: bytes | memoryview) -> int:
    return zlib.crc32(body, zlib.crc32(key))


def write(
    keys: Sequence[bytes], images: Sequence[int], a: Assignment, bounds: list[int], priors: Priors
) -> dict[bytes, bytes]:
    """Entries of some images of a batch, by their keys; `keys` are those of the whole batch."""
    index, reason = host(a.gt_index)[images], host(a.reason).tobytes()
    usual, weight = _plain(priors, images, index.shape)
    bits = np.stack([host(getattr(a, name))[images] for name in FLOATS], -1).view(np.int32)
    other = bits.copy()  # bits, since -0.0 equals 0.0
    other[..., FLOATS.index("cls_weight")] ^= weight
    image, prior = np.nonzero((index != usual) | other.any(-1))
    start, rows = (np.asarray(values)[images] for values in (bounds[:-1], np.diff(bounds)))
    row = index[image, prior]
    inside = np.where(row >= 0, row - start[image], row)
    if ((inside >= rows[image]) | ((row >= 0) & (inside < 0)) | (row < IGNORE)).any():
        fix = "Only assigners that decide every image by itself can be cached."
        checks.fail(WHO, "priors that learn objects of their own image", "rows of another one", fix)
    words = np.concatenate([np.stack([prior, inside], 1).astype(np.int32), bits[image, prior]], 1)
    ends = np.searchsorted(image, np.arange(len(images) + 1)).tolist()
    entries: dict[bytes, bytes] = {}
    for k, i in enumerate(images):
        listed = words[ends[k] : ends[k + 1]]
        body = WORD.pack(len(listed)) + listed.tobytes() + reason[bounds[i] : bounds[i + 1]]
        entries[keys[i]] = WORD.pack(_checksum(keys[i], body)) + body
    return entries


def _plain(
    priors: Priors, images: Sequence[int], shape: tuple[int, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int32]]:
    """What takes no room `[B, N]`: background, of invalid priors IGNORE, and the bits of its cls_weight."""
    valid = np.ones(shape, dtype=bool) if priors.valid is None else host(priors.valid)[images]
    return np.where(valid, BACKGROUND, IGNORE), valid.astype(np.float32).view(np.int32)


def read(entries: Sequence[bytes], gt: GroundTruth, bounds: list[int], priors: Priors) -> Assignment:
    """The assignment of a batch from its sound entries, on the device of `gt`."""
    device, n = gt.boxes.device, priors.count
    counts = [HEAD.unpack_from(entry)[1] for entry in entries]
    ends = [HEAD.size + SIZE * count for count in counts]
    parts = [entry[HEAD.size : end] for entry, end in zip(entries, ends, strict=True)]
    words = np.frombuffer(b"".join(parts), np.int32).reshape(-1, SIZE // WORD.size)
    image = np.repeat(np.arange(len(entries)), counts)
    row = words[:, 1] + np.where(words[:, 1] >= 0, np.asarray(bounds)[image], 0)
    place = torch.from_numpy(image * n + words[:, 0]).to(device)
    bits = torch.from_numpy(words[:, 2:].T.copy()).to(device).view(torch.float32)
    shape = (len(entries), n)
    valid = torch.ones(shape, dtype=torch.bool, device=device) if priors.valid is None else priors.valid.to(device)
    index = torch.where(valid, BACKGROUND, IGNORE)
    dense = {name: torch.zeros(shape, dtype=torch.float32, device=device) for name in FLOATS}
    dense["cls_weight"] = valid.float()
    index.view(-1).scatter_(0, place, torch.from_numpy(row).to(device))
    for values, those in zip(dense.values(), bits, strict=True):
        values.view(-1).scatter_(0, place, those)
    codes = bytearray().join(entry[end:] for entry, end in zip(entries, ends, strict=True))
    codes += bytes([Reason.PADDING]) * (gt.num_rows - len(codes))
    reason = torch.from_numpy(np.frombuffer(codes, np.int8)).to(device)
    return Assignment(index, **dense, reason=reason, offsets=gt.offsets.clone(), diagnostics={})
