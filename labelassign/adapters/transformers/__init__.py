"""transformers' detectors of queries: DETR, Deformable DETR, RT-DETR, D-FINE, and others with their losses."""

from __future__ import annotations

from torch import nn

from labelassign import checks
from labelassign.adapters.handle import Handle
from labelassign.adapters.packages import need
from labelassign.adapters.teaching import inner
from labelassign.adapters.transformers.encoding import from_transformers, to_transformers
from labelassign.assigners.base import Assigner

__all__ = ["attach", "from_transformers", "to_transformers"]

WHO = "labelassign.adapters.transformers.attach"


def attach(model: nn.Module, assigner: Assigner, *, teacher: nn.Module | None = None) -> Handle:
    """Let an assigner decide what the queries of a transformers detector learn, in `Trainer` or any other loop.

    The stock losses stay, denoising queries keep their objects, and all decoder layers are one call: to the handle,
    images are counted once for each layer, the last layer's first. The losses take several queries per object, and
    still divide by the number of objects; they know no ignored queries (which learn "no object"), soft targets or
    weights. "iscrowd" is not read: transformers' image processors leave crowds out.

    Arguments:
        model: DETR, Deformable DETR, RT-DETR (v1, v2), D-FINE, or another whose loss function builds one of their
            criteria (`ImageLoss`, `DeformableDetrImageLoss`, `RTDetrLoss`, `DFineLoss`), like YOLOS or Conditional
            DETR.
        assigner: `Hungarian`, or your own that takes queries; others ask where a prior lies. The models' own rules
            are `Hungarian.detr()`, `Hungarian.deformable_detr(cls_weight=1.0)` and, for the last two,
            `Hungarian.rt_detr()`, where the configuration has no other costs.
        teacher: for LAD and CoLAD over `Hungarian(shared_queries=True)` a model of the same kind with the same layers
            and queries; it is called with what the model is called with. LAD's only looks (eval mode, no gradient).
            CoLAD's trains: the loss then holds its own, too, and `loss_dict` its parts as `teacher_…`; give the
            optimizer both (`Pair`). Not for models that pick their queries image by image (RT-DETR, D-FINE, two-stage
            Deformable DETR): of two such networks query i is not the same.
    Raises: TypeError for another model, or a teacher that cannot share queries; ValueError for an assigner that takes
    no queries, or a teacher with other layers.

    Example:
        >>> from transformers import YolosConfig, YolosForObjectDetection
        >>> from labelassign.adapters.transformers import attach
        >>> sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
        >>> shape = {"image_size": [32, 32], "patch_size": 16, "num_detection_tokens": 9, "num_labels": 3}
        >>> model = YolosForObjectDetection(YolosConfig(**sizes, **shape))
        >>> objects = {"class_labels": torch.tensor([0, 2]), "boxes": torch.tensor([[0.3, 0.3, 0.2, 0.2]] * 2)}
        >>> with attach(model, la.Hungarian.detr()) as handle:
        ...     loss = model(torch.rand(1, 3, 32, 32), labels=[objects]).loss
        ...     handle.stats["positives"]
        2
    """
    need("transformers")
    # after the check: both import transformers
    from labelassign.adapters.transformers.criteria import KNOWN, kind_of
    from labelassign.adapters.transformers.queries import Matching

    whole = inner(model)
    if Handle.of(whole) is None and kind_of(getattr(whole, "loss_function", None)) is None:
        known = f"a model whose loss function builds {', '.join(kind.__name__ for kind in KNOWN[:-1])} or DFineLoss"
        fix = "DETR, Deformable DETR, RT-DETR and D-FINE for object detection do."
        checks.fail(WHO, known, type(whole).__name__, fix, TypeError)
    return Matching.attach(Handle(WHO, whole, assigner, teacher))
