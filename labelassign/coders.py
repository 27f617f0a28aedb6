"""Box coders: from what a head regresses to xyxy boxes, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from labelassign import checks
from labelassign.geometry import centres
from labelassign.structures import Priors


@dataclass(frozen=True)
class DeltaCoder:
    """Offsets of centre and log size relative to a prior box.

    Source: Girshick et al., 2014, arXiv:1311.2524, appendix C; means, stds and clip as in mmdet 3.3.0
    DeltaXYWHBBoxCoder and torchvision BoxCoder (weights = 1 / stds, clip = log(1000 / 16)).

    Arguments:
        means: subtracted from deltas when encoding (dx, dy, dw, dh).
        stds: divided out when encoding.
        clip: upper (and with `clip_both` lower) bound of dw and dh when decoding; default log(1000 / 16).
        clip_both: bound dw and dh on both sides, as mmdet does; torchvision bounds above only.

    Raises:
        ValueError: means or stds are not four numbers.

    Example:
        >>> coder = la.DeltaCoder(stds=(0.1, 0.1, 0.2, 0.2))
        >>> coder.decode(priors, coder.encode(priors, priors.boxes)).equal(priors.boxes)
        True
    """

    means: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    stds: tuple[float, float, float, float] = (1.0, 1.0, 1.0, 1.0)
    clip: float = math.log(1000 / 16)
    clip_both: bool = False

    def __post_init__(self) -> None:
        """Check the options."""
        for name in ("means", "stds"):
            value = getattr(self, name)
            if len(value) != 4:
                checks.fail("DeltaCoder", f"four `{name}`", value, "Give one for each of dx, dy, dw, dh.")

    def encode(self, priors: Priors, boxes: Float[Tensor, "*B N 4"]) -> Float[Tensor, "*B N 4"]:
        """Deltas of `boxes` relative to the priors; a box without area encodes to -inf sizes."""
        size = priors.boxes[..., 2:] - priors.boxes[..., :2]
        shift = (centres(boxes) - centres(priors.boxes)) / size
        scale = torch.log((boxes[..., 2:] - boxes[..., :2]) / size)
        deltas = torch.cat([shift, scale], -1)
        # one number at a time: a tensor made of them would be copied to the device
        parts = zip(deltas.unbind(-1), self.means, self.stds, strict=True)
        return torch.stack([(part - mean) / std for part, mean, std in parts], -1)

    def decode(self, priors: Priors, deltas: Float[Tensor, "*B N 4"]) -> Float[Tensor, "*B N 4"]:
        """Boxes in pixels, float32 at least."""
        deltas = deltas.to(torch.promote_types(deltas.dtype, torch.float32))
        parts = zip(deltas.unbind(-1), self.means, self.stds, strict=True)
        deltas = torch.stack([part * std + mean for part, mean, std in parts], -1)
        size = priors.boxes[..., 2:] - priors.boxes[..., :2]
        middle = centres(priors.boxes) + deltas[..., :2] * size
        bounded = deltas[..., 2:].clamp(min=-self.clip if self.clip_both else None, max=self.clip)
        half = size * bounded.exp() / 2
        return torch.cat([middle - half, middle + half], -1)


@dataclass(frozen=True)
class LTRBCoder:
    """Distances from a point to the four sides, in strides (YOLO-like heads) or pixels (FCOS).

    Source: Tian et al., 2019, arXiv:1904.01355, equation 1.

    Arguments:
        in_strides: the head regresses distances in units of the prior's stride.

    Example:
        >>> points = la.Priors.points(image_size=(32, 32), strides=(16,))
        >>> la.LTRBCoder().decode(points, torch.ones(4, 4))[0].tolist()
        [-8.0, -8.0, 24.0, 24.0]
    """

    in_strides: bool = True

    def _unit(self, priors: Priors) -> Tensor | float:
        if not self.in_strides:
            return 1.0
        if priors.strides is None:
            checks.fail("LTRBCoder", "priors with `strides`", "strides=None", "Make them with `Priors.grid`/`points`.")
        return priors.strides[:, None]

    def encode(self, priors: Priors, boxes: Float[Tensor, "*B N 4"]) -> Float[Tensor, "*B N 4"]:
        """Distances of the prior's centre to the sides of `boxes`; negative where the centre is outside."""
        point = centres(priors.boxes)
        return torch.cat([point - boxes[..., :2], boxes[..., 2:] - point], -1) / self._unit(priors)

    def decode(self, priors: Priors, distances: Float[Tensor, "*B N 4"]) -> Float[Tensor, "*B N 4"]:
        """Boxes in pixels, float32 at least."""
        distances = distances.to(torch.promote_types(distances.dtype, torch.float32)) * self._unit(priors)
        return decode_ltrb(centres(priors.boxes), distances)


@dataclass(frozen=True)
class DFLCoder:
    """Distances as the mean of a distribution over `bins` equally spaced values 0..bins-1, in strides.

    Source: Li et al., 2020, arXiv:2006.04388, section 3.2.

    Arguments:
        bins: values per side (reg_max + 1 in mmdet's counting, reg_max in ultralytics').

    Example:
        >>> la.DFLCoder(bins=16).decode(priors, torch.zeros(2, 400, 64))[0, 0].tolist()
        [-60.0, -60.0, 60.0, 60.0]
    """

    bins: int = 16

    def decode(self, priors: Priors, logits: Float[Tensor, "*B N D"]) -> Float[Tensor, "*B N 4"]:
        """Boxes in pixels from logits `[..., N, 4 · bins]`, side by side (left, top, right, bottom)."""
        return LTRBCoder().decode(priors, decode_dfl(logits, self.bins))


def decode_ltrb(points: Float[Tensor, "*#n 2"], distances: Float[Tensor, "*#n 4"]) -> Float[Tensor, "..."]:
    """Boxes around points from distances to left, top, right, bottom in the same unit.

    Example:
        >>> la.decode_ltrb(torch.tensor([8.0, 8.0]), torch.tensor([1.0, 2, 3, 4])).tolist()
        [7.0, 6.0, 11.0, 12.0]
    """
    return torch.cat([points - distances[..., :2], points + distances[..., 2:]], -1)


def decode_dfl(logits: Float[Tensor, "*n D"], bins: int) -> Float[Tensor, "*n 4"]:
    """Expected distances `[..., 4]` of four softmax distributions over 0..bins-1 given side by side `[..., 4 · bins]`.

    Example:
        >>> la.decode_dfl(torch.zeros(64), 16).tolist()
        [7.5, 7.5, 7.5, 7.5]
    """
    if logits.shape[-1] != 4 * bins:
        checks.fail("decode_dfl", f"a last size of 4 x {bins} bins", list(logits.shape), "Set `bins` as in the head.")
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    shares = logits.unflatten(-1, (4, bins)).softmax(-1)
    return shares @ torch.arange(bins, dtype=shares.dtype, device=shares.device)
