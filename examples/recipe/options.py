"""What makes a run what it is: two runs of equal options end with equal weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from examples.recipe import arms
from examples.recipe.model import SIZES


@dataclass(frozen=True)
class Options:
    """One training run.

    Attributes:
        data: "digits", "trees", or a folder in COCO's format, whose images become squares of `side` pixels.
        assign: one of `arms.NAMES`.
        base: the assigner inside LAD and CoLAD.
        topk: candidates of ATSS on every level.
        criterion, granularity: of CoLAD.
        box_weight: "iou" or "num_pos": how positives are weighted in the box loss.
        teacher: of LAD, SoLAD and soft labels: the folder of a finished run, "ema" or "random".
        taught: share of the steps in which LAD's teacher decides; afterwards the student itself.
        size: of the network, a name in `model.SIZES`.
        seed: of data order, mirroring and initial weights.
        member: which initial weights of that seed; CoLAD trains numbers 0 and 1, so 1 alone is its second network.
        steps, batch, rate: how long, how many images a step (over all processes), and the highest learning rate.
        mirror: mirror images left to right, half of them.
    """

    data: str = "digits"
    side: int = 320
    assign: str = "paa"
    base: str = "paa"
    topk: int = 9
    criterion: str = "std_mean"
    granularity: str = "batch"
    box_weight: str = "iou"
    teacher: str | None = None
    taught: float = 1.0
    size: str = "base"
    seed: int = 0
    member: int = 0
    steps: int = 600
    batch: int = 16
    rate: float = 2e-3
    mirror: bool = False

    def __post_init__(self) -> None:
        """Refuse what does not fit together before anything is loaded."""
        for name, known in (
            ("assign", arms.NAMES),
            ("base", tuple(arms.BASES)),
            ("criterion", tuple(arms.CRITERIA)),
            ("granularity", ("batch", "image", "gt", "gt_level")),
            ("box_weight", ("iou", "num_pos")),
            ("size", tuple(SIZES)),
        ):
            if getattr(self, name) not in known:
                raise ValueError(f"--{name.replace('_', '-')} {getattr(self, name)}: known are {', '.join(known)}")
        taught = self.assign in arms.TAUGHT
        if taught != (self.teacher is not None):
            raise ValueError(f"--assign {self.assign} " + ("needs a --teacher" if taught else "takes no --teacher"))
        if self.taught != 1.0 and self.assign != "lad":
            raise ValueError(f"--taught {self.taught} is for --assign lad, not {self.assign}")

    @property
    def taught_steps(self) -> int | None:
        """Before which step LAD's teacher decides; None: always."""
        return None if self.taught == 1.0 else max(1, round(self.taught * self.steps))

    def arm(self, ranks: int = 1) -> arms.Arm:
        """What they say of assigner, teacher and losses."""
        chosen = {name: getattr(self, name) for name in ("base", "topk", "criterion", "granularity")}
        return arms.arm_of(self.assign, **chosen, ranks=ranks, taught_steps=self.taught_steps)

    def to_dict(self) -> dict[str, Any]:
        """Plain data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, plain: dict[str, Any]) -> Self:
        """What `to_dict` gave; fields that came later have their defaults."""
        known = {each.name for each in fields(cls)}
        return cls(**{name: value for name, value in plain.items() if name in known})
