"""transformers' loss functions build a criterion and a matcher at every call: theirs, with other pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from types import FunctionType
from typing import Any

from torch import Tensor, nn
from transformers.loss.loss_d_fine import DFineLoss
from transformers.loss.loss_deformable_detr import DeformableDetrImageLoss
from transformers.loss.loss_for_object_detection import ImageLoss
from transformers.loss.loss_rt_detr import RTDetrLoss

from labelassign.adapters.transformers.encoding import Layer, Pairs

# Those whose matcher is asked once for each layer, and whose losses take any pairs in which a query occurs once.
KNOWN = (ImageLoss, DeformableDetrImageLoss, RTDetrLoss, DFineLoss)
Decide = Callable[[Sequence[Layer], Sequence[dict[str, Tensor]]], Sequence[Pairs]]


def criterion_of(function: Any) -> str | None:
    """The name under which a loss function builds a criterion that we know; None if it builds none."""
    if not isinstance(function, FunctionType):
        return None
    names = [name for name in function.__code__.co_names if function.__globals__.get(name) in KNOWN]
    return names[0] if len(names) == 1 else None


def kind_of(function: Any) -> Any:
    """The class of that criterion, or None."""
    name = criterion_of(function)
    return None if name is None else function.__globals__[name]


def deciding(function: Any, decide: Decide, silent: bool = False) -> Any:
    """The same loss function with another matcher: a copy of it, in which the criterion's name means ours.

    `silent`: it works out no losses.
    """
    name = criterion_of(function)
    assert name is not None
    names = function.__globals__ | {name: partial(_criterion, function.__globals__[name], decide, silent)}
    copy = FunctionType(function.__code__, names, function.__name__, function.__defaults__, function.__closure__)
    copy.__kwdefaults__ = function.__kwdefaults__
    return copy


def _criterion(kind: Any, decide: Decide, silent: bool, *args: Any, **options: Any) -> Any:
    made = kind(*args, **options)
    made.matcher = Matcher(decide)
    made.register_forward_pre_hook(made.matcher.see)
    if silent:
        made.losses = []
    return made


class Matcher(nn.Module):
    """Stands in for a criterion's matcher: all layers are decided at once, before the first is asked for."""

    def __init__(self, decide: Decide) -> None:
        """Nothing decided yet."""
        super().__init__()
        self.decide = decide
        self.pairs: dict[int, Pairs] = {}

    def see(self, _: nn.Module, inputs: tuple[Any, Any]) -> None:
        """A forward pre-hook of the criterion."""
        outputs, targets = inputs
        layers = [outputs, *outputs.get("auxiliary_outputs", ())]
        found = self.decide(layers, targets)
        self.pairs = {id(layer["logits"]): pairs for layer, pairs in zip(layers, found, strict=True)}

    def forward(self, outputs: Layer, _: Any) -> Pairs:
        """The pairs of one layer."""
        return self.pairs[id(outputs["logits"])]
