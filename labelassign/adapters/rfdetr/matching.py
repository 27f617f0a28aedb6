"""What RF-DETR's criterion asks instead of its matcher."""

from __future__ import annotations

from typing import Any

from labelassign.adapters.handle import Handle
from labelassign.adapters.rfdetr.encoding import Layer, Pairs, grouped, rows_of
from labelassign.adapters.transformers.encoding import objects
from labelassign.structures.targets import pairs


class Matching:
    """Stands in for a criterion's matcher: all is decided before the first layer is asked for.

    The criterion's fast path looks at the class of its matcher, never at the instance: this is no subclass of theirs,
    so every layer is asked for.
    """

    def __init__(self, handle: Handle) -> None:
        """Nothing decided yet."""
        self.handle = handle
        self.pairs: dict[int, Pairs] = {}

    def see(self, criterion: Any, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """A forward pre-hook of the criterion."""
        given = dict(zip(("outputs", "targets"), args, strict=False)) | options
        said, handle = given["outputs"], self.handle
        layers = [said, *(said.get("aux_outputs") or ()), *([said["enc_outputs"]] if "enc_outputs" in said else ())]
        groups = criterion.group_detr if criterion.training else 1
        priors, mine, widths = grouped(handle.who, layers, groups)
        real = [each.get("valid", slice(None)) for each in given["targets"]]  # padded rows come after the real ones
        names = {"class_labels": "labels", "boxes": "boxes"}
        targets = [
            {ours: each[theirs][keep] for ours, theirs in names.items()}
            for each, keep in zip(given["targets"], real, strict=True)
        ]
        gt = objects(targets, len(layers), mine.boxes.device, groups)
        found = handle.decide(priors, gt, mine if "predictions" in handle.assigner.needs else None, None)
        rows = rows_of(found, groups).unflatten(0, (len(layers), -1))
        of_layers = zip(layers, rows, widths, strict=True)
        self.pairs = {id(layer["pred_logits"]): pairs(each[..., :width].flatten(1)) for layer, each, width in of_layers}

    def forget(self, *_: Any) -> None:
        """A forward hook of the criterion."""
        self.pairs = {}

    def __call__(self, said: Layer, targets: Any, group_detr: int = 1) -> Pairs:
        """The pairs of one layer."""
        return self.pairs[id(said["pred_logits"])]

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"pairs": {}}
