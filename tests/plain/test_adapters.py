"""What adapters say themselves, where no annotation is checked before."""

import pytest
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.rpn import RegionProposalNetwork, RPNHead

from labelassign.adapters.torchvision import attach


def test_something_that_is_no_assigner():
    head, numbers = RPNHead(4, 3), {"training": 9, "testing": 9}
    stage = RegionProposalNetwork(AnchorGenerator(), head, 0.7, 0.3, 9, 0.5, numbers, numbers, 0.7)
    with pytest.raises(TypeError, match="expected an Assigner, got str 'ATSS'"):
        attach(stage, "ATSS")
    assert not [name for name in vars(stage) if "labelassign" in name]
