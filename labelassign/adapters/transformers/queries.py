"""Models whose loss is a loss of set prediction: queries of one or more decoder layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn
from transformers.loss.loss_for_object_detection import ImageLoss
from transformers.loss.loss_rt_detr import RTDetrLoss

from labelassign import checks
from labelassign.adapters.handle import Handle, standing_in
from labelassign.adapters.transformers.criteria import deciding, kind_of
from labelassign.adapters.transformers.encoding import Layer, Pairs, objects, outputs, to_transformers
from labelassign.adapters.transformers.fitting import refuse_places, refuse_shapes, refuse_teacher
from labelassign.structures import Priors

Targets = Sequence[dict[str, Tensor]]


class Matching:
    """Stands in for `loss_function` of one model."""

    def __init__(self, handle: Handle) -> None:
        """Of that handle's model."""
        self.handle = handle
        self.stock = handle.model.loss_function
        self.inputs: Any = None

    @classmethod
    def attach(cls, handle: Handle) -> Handle:
        """Put it into the model."""
        model, teacher = handle.model, handle.teacher
        refuse_places(handle.who, handle.assigner)
        made = cls(handle)
        if teacher is not None:
            refuse_teacher(handle.who, model, teacher.module)
            handle.hook(model.register_forward_pre_hook(made.see, with_kwargs=True))
            handle.hook(model.register_forward_hook(made.forget))
        # what the public setter `model.loss_function = ...` sets, and has no way to take back
        handle.put(model, "_loss_function", made)
        return handle.attached()

    def see(self, _: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        """A forward pre-hook of the model."""
        self.inputs = (args, options)

    def forget(self, *_: Any) -> None:
        """A forward hook of the model."""
        self.inputs = None

    def __call__(self, *args: Any, **options: Any) -> tuple[Any, dict[str, Any], Any]:
        """The loss of a batch, its parts, and the auxiliary outputs."""
        more: list[tuple[Any, dict[str, Any]]] = []

        def decide(mine: Sequence[Layer], targets: Targets) -> Sequence[Pairs]:
            if self.handle.teacher is None:
                return self.pairs(mine, None, targets)
            found: list[Pairs] = []

            def then(theirs: Sequence[Layer], _: Targets) -> Sequence[Pairs]:
                found.extend(self.pairs(mine, theirs, targets))
                return found

            more.append(self.ask(then))
            return found

        loss, losses, auxiliary = deciding(self.stock, decide)(*args, **options)
        if self.handle.teacher is not None and self.handle.teacher.trains:
            their_loss, theirs = more[0]
            loss, losses = loss + their_loss, losses | {f"teacher_{name}": value for name, value in theirs.items()}
        return loss, losses, auxiliary

    def ask(self, then: Any) -> tuple[Any, dict[str, Any]]:
        """Show the other network the same batch; its layers go to `then`, and its own loss comes back."""
        teacher = self.handle.teacher
        assert teacher is not None
        if self.inputs is None:
            fix = "Call the model, not its `forward`."
            checks.fail(self.handle.who, "a call whose inputs the teacher can be shown", "none seen", fix)
        answer: list[tuple[Any, ...]] = []
        with teacher.at_work() as network:
            function = deciding(network.loss_function, then, silent=not teacher.trains)

            def loss(*args: Any, **options: Any) -> tuple[Any, ...]:
                answer.append(function(*args, **options))
                return answer[0]

            with standing_in(network, _loss_function=loss):
                args, options = self.inputs
                network(*args, **options)
        return answer[0][0], answer[0][1]

    def pairs(self, mine: Sequence[Layer], theirs: Sequence[Layer] | None, targets: Targets) -> Sequence[Pairs]:
        """Of each layer: all of them in one call, as images of one batch."""
        handle, logits = self.handle, mine[0]["logits"]
        if theirs is not None:
            refuse_shapes(handle.who, *([tuple(each["logits"].shape) for each in side] for side in (mine, theirs)))
        given = outputs(mine, self.form) if "predictions" in handle.assigner.needs else None
        other = None if theirs is None else outputs(theirs, self.form)
        gt = objects(targets, len(mine), logits.device)
        priors = Priors.queries(logits.shape[1], device=logits.device)
        found = to_transformers(handle.decide(priors, gt, given, other))
        return [found[i : i + len(targets)] for i in range(0, len(found), len(targets))]

    @property
    def form(self) -> str:
        """What the logits are to the model's own matcher."""
        kind = kind_of(self.stock)
        if kind is ImageLoss:
            return "softmax_logits"
        softmax = issubclass(kind, RTDetrLoss) and not self.handle.model.config.use_focal_loss
        return "probs" if softmax else "sigmoid_logits"

    def __getstate__(self) -> dict[str, Any]:
        """Without the batch."""
        return vars(self) | {"inputs": None}
