"""The loss of one detection model, with other assigners in its branches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from labelassign.adapters.ultralytics.branches import MANY, Branches
from labelassign.adapters.ultralytics.criteria import branches, criterion_of, opinion, seated
from labelassign.adapters.ultralytics.encoding import Five, objects, to_ultralytics
from labelassign.structures import Assignment, GroundTruth, Predictions, Priors

Decide = Callable[[Priors, GroundTruth, Predictions], Assignment]


class Seat:
    """Stands in for the assigner of one branch during one loss."""

    def __init__(self, priors: Priors, image_size: tuple[int, int], decide: Decide) -> None:
        """`decide` gets the branch's own predictions."""
        self.priors, self.image_size, self.decide = priors, image_size, decide
        self.answer: Five | None = None

    def __call__(
        self, scores: Tensor, boxes: Tensor, points: Tensor, labels: Tensor, gt_boxes: Tensor, mask: Tensor, **_: Any
    ) -> Five:
        """The five tensors; see `to_ultralytics`. What was answered once is answered again (CoLAD's second loss)."""
        if self.answer is None:
            gt, slots = objects(labels, gt_boxes, mask, self.image_size)
            a = self.decide(self.priors, gt, Predictions(boxes, scores, "probs"))
            self.answer = to_ultralytics(a, gt, scores.shape[2], slots=slots)
        return self.answer


class Losing:
    """Stands in for `loss` of one model: seats the assigners in its criterion for the time of one batch."""

    def __init__(self, handle: Branches, scale: float) -> None:
        """Of that handle's model; priors are squares of `scale` strides."""
        self.handle, self.scale = handle, scale
        self._kept: tuple[Any, Priors] | None = None
        self._decoders: Any = None

    def __call__(self, batch: Mapping[str, Any], preds: Any = None) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses of a batch `(box, class, dfl or l1)` and their values by name; CoLAD's teacher's are added."""
        handle, model, images = self.handle, self.handle.model, batch["img"]
        mine = branches(criterion_of(handle.who, model))
        preds = model.forward(images) if preds is None else preds
        outputs = next(iter(mine.values())).parse_output(preds)
        priors = self.priors(model, outputs.get(MANY, outputs))
        size, theirs, seen = (images.shape[-2], images.shape[-1]), {}, None
        if handle.mentor is not None:
            with handle.mentor.at_work() as teacher:
                seen = teacher.forward(images)
            theirs = self.opinions(handle.mentor.module, seen, priors)
        seats = {name: Seat(priors, size, self.decider(name, theirs)) for name in mine}
        with seated(mine, seats):
            loss, items = type(model).loss(model, batch, preds)
        if handle.mentor is None or not handle.mentor.trains:
            return loss, items
        more, its_items = self.second(handle.mentor.module, batch, seen, seats)
        return loss + more, items | {f"teacher_{name}": value for name, value in its_items.items()}

    def decider(self, name: str, theirs: dict[str, Predictions]) -> Decide:
        """Who decides in a branch: its handle, with the teacher's opinion where that is asked for."""
        handle = self.handle.by_branch[name]

        def decide(priors: Priors, gt: GroundTruth, mine: Predictions) -> Assignment:
            needs = handle.assigner.needs
            wanted = mine if "predictions" in needs else None
            return handle.decide(priors, gt, wanted, theirs[name] if "teacher" in needs else None)

        return decide

    def second(self, teacher: Any, batch: Any, preds: Any, seats: dict[str, Seat]) -> tuple[Tensor, dict[str, Tensor]]:
        """The losses of CoLAD's second network: under the same owners; in a branch without CoLAD, under its own."""
        theirs = branches(criterion_of(self.handle.who, teacher))
        for name, handle in self.handle.by_branch.items():
            if handle.teacher is None:
                alone, step = handle.assigner, handle.step - 1
                one = seats[name]
                seats[name] = Seat(
                    one.priors, one.image_size, lambda p, gt, own, a=alone, s=step: a(p, gt, own, step=s)
                )
        with seated(theirs, seats):
            return type(teacher).loss(teacher, batch, preds)

    def priors(self, model: Any, output: Mapping[str, Any]) -> Priors:
        """Squares around the points of all levels, made once for each shape of image."""
        shapes = tuple(tuple(each.shape[-2:]) for each in output["feats"])
        key = (shapes, output["scores"].device)
        if self._kept is None or self._kept[0] != key:
            strides = [int(step) for step in model.stride.tolist()]
            made = Priors.grid(shapes, strides=strides, scale=self.scale, offset=0.5, device=key[1])
            self._kept = (key, made)
        return self._kept[1]

    def opinions(self, teacher: Any, preds: Any, priors: Priors) -> dict[str, Predictions]:
        """What the teacher says in every branch of the model; one without a one-to-one branch says the same in both."""
        device = priors.boxes.device
        if self._decoders is None or self._decoders[0] != device:
            self._decoders = (device, branches(criterion_of(self.handle.who, teacher, keep=False)))
        decoders = self._decoders[1]
        raw = decoders[MANY].parse_output(preds)
        return {
            name: opinion(decoders.get(name, decoders[MANY]), raw.get(name, raw.get(MANY, raw)), priors)
            for name in self.handle.by_branch
        }

    def __getstate__(self) -> dict[str, Any]:
        """Without what belongs to a shape of image."""
        return vars(self) | {"_kept": None, "_decoders": None}
