"""Small scenes on which published assigners behave in documented, surprising ways."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from tests.parity.scenes import Scene, priors, scene


def _scene(boxes: Sequence[Sequence[float]]) -> Scene:
    return Scene(torch.tensor(boxes, dtype=torch.float32), torch.arange(len(boxes)))


def _at_thresholds() -> list[list[float]]:
    """Objects that overlap a prior at x 736..800 by exactly 0.1, 0.3, 0.4, 0.5 and 0.7.

    As high as the prior, `width` wide, `shared` of it inside: shared / (64 + width - shared), for example 21 / 70.
    """
    sizes = ((13, 7), (27, 21), (27, 26), (32, 32), (55, 49))
    tops = (48, 208, 368, 528, 688)
    return [[800 - s, top, 800 - s + w, top + 64] for (w, s), top in zip(sizes, tops, strict=True)]


def awkward() -> dict[str, Scene]:
    """Scenes by what is awkward about them."""
    some, anchor = scene(7, 0), priors().boxes[9000].tolist()
    far = torch.tensor([[30000.0, 30000, 30050, 30080]])
    return {
        "an object far from all priors": _scene([[100, 100, 180, 210], far[0].tolist()]),
        "only far objects": _scene([far[0].tolist(), (-far[0].flip(0)).tolist()]),
        "a far object first": Scene(torch.cat([far, some.boxes]), torch.cat([torch.tensor([5]), some.labels])),
        "a far object last": Scene(torch.cat([some.boxes, far]), torch.cat([some.labels, torch.tensor([5])])),
        "two objects with one best prior": _scene([anchor, [anchor[0], anchor[1], anchor[2], anchor[3] - 1]]),
        "the same object three times": _scene([[301.5, 207.25, 390, 300]] * 3),
        "an object that is a prior": _scene([anchor]),
        "an object without area": _scene([[200, 200, 200, 300], [400, 400, 480, 480]]),
        "an object of a fraction of a pixel": _scene([[200.2, 200.3, 200.4, 200.6], [203, 201, 260, 290]]),
        "an object larger than the image": _scene([[-300, -300, 1700, 1200], [64, 64, 128, 128]]),
        "overlaps exactly at the thresholds": _scene(_at_thresholds()),
        "every object inside another": _scene(
            [[80.0 * i, 50.0 * i, 1340 - 80.0 * i, 790 - 50.0 * i] for i in range(7)]
        ),
    }


NAMES = tuple(awkward())
