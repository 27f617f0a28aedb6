"""What can be compared: which assigner decides, by whose predictions, and what else the student learns."""

from __future__ import annotations

from dataclasses import dataclass

import labelassign as la
from labelassign.distill.losses import SoftDistillation

BASES: dict[str, type[la.CostAssigner]] = {
    "paa": la.PAA,
    "tal": la.TaskAligned,
    "simota": la.SimOTA,
    "rtmdet": la.DynamicSoftLabel,
}
ALONE: dict[str, type[la.Assigner]] = {"maxiou": la.MaxIoU, "atss": la.ATSS, **BASES}
TAUGHT = ("lad", "solad", "soft")
NAMES = (*ALONE, *TAUGHT, "colad")
CRITERIA = {"std_mean": la.StdMean, "fisher": la.FisherScore, "mean": la.MeanCost, "coin": la.Random}


@dataclass(frozen=True)
class Arm:
    """One way to train.

    Attributes:
        assigner: decides for all networks.
        teacher: whether it asks another network, which was trained before (or is an average of this one).
        soft: what is learned from that network's outputs, or None.
        hard: whether the objects are learned at all; soft labels alone are the published "soft label" baseline.
        networks: how many train.
    """

    assigner: la.Assigner
    teacher: bool = False
    soft: SoftDistillation | None = None
    hard: bool = True
    networks: int = 1


def arm_of(
    name: str,
    *,
    base: str = "paa",
    topk: int = 9,
    criterion: str = "std_mean",
    granularity: str = "batch",
    ranks: int = 1,
    taught_steps: int | None = None,
) -> Arm:
    """The arm of that name.

    Arguments:
        name: one of `NAMES`.
        base: which assigner LAD and CoLAD wrap, one of `BASES`.
        topk: candidates of ATSS on every level.
        criterion: of CoLAD, one of `CRITERIA`.
        granularity: of CoLAD.
        ranks: processes; with several CoLAD decides over all of them where its unit is the batch.
        taught_steps: LAD's teacher decides before that step, the student afterwards; None: always.
    """
    if name == "atss":
        return Arm(la.ATSS(topk=topk))
    if name in ALONE:
        return Arm(ALONE[name]())
    inner = BASES[base]()
    if name == "colad":
        reduce = ranks > 1 and granularity == "batch"
        return Arm(la.CoLAD(inner, CRITERIA[criterion](), granularity, reduce=reduce), networks=2)
    lad: la.Assigner = la.LAD(inner)
    if taught_steps is not None:
        lad = la.Warmup(lad, inner, steps=taught_steps)
    soft = {"solad": SoftDistillation.solad, "soft": SoftDistillation.pure, "lad": lambda: None}[name]()
    return Arm(lad, teacher=True, soft=soft, hard=name != "soft")
