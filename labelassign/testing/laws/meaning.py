"""Laws about what an answer says: the method's own condition, and why an object has what it has."""

from __future__ import annotations

import torch

from labelassign.structures import Reason
from labelassign.testing.scene import Scene
from labelassign.testing.subject import Subject, answer, law

_OWNING = (Reason.FINE, Reason.RESCUED)
_WITHOUT = (Reason.NO_CANDIDATE, Reason.REJECTED, Reason.LOST)


@law
def own_condition(subject: Subject, scene: Scene) -> None:
    """Every positive satisfies the condition that the method's source publishes, rescued ones excepted."""
    assert subject.condition is not None, "Give Subject(condition=...), or exempt the subject with a reason."
    subject.condition(scene, answer(subject.assigner, scene))


@law
def true_reason(subject: Subject, scene: Scene) -> None:
    """Each reason is what its definition says, and an object that has lost to others is not the only one."""
    a, gt = answer(subject.assigner, scene), scene.gt
    owners = a.gt_index[a.positive]
    in_use = torch.arange(gt.num_rows) < gt.offsets[-1]
    for row in range(gt.num_rows):
        reason, owns = Reason(int(a.reason[row])), int((owners == row).sum())
        assert owns == int(a.per_gt_count[row]), f"row {row} owns {owns} priors, per_gt_count says otherwise"
        if not bool(in_use[row]):
            allowed = (Reason.PADDING,)
        elif bool(gt.ignore[row]):
            allowed = (Reason.IGNORED,)
        else:
            allowed = _OWNING if owns else _WITHOUT
        assert reason in allowed, f"row {row} owns {owns} priors and has the reason {reason.name}"
        if reason is Reason.LOST:
            image = int(gt.image_of[row])
            rivals = [r for r in range(*gt.offsets[image : image + 2].tolist()) if r != row and not bool(gt.ignore[r])]
            assert rivals, f"row {row} has lost to others and is the only object of image {image}"
    if subject.reason is not None:
        subject.reason(scene, a)
