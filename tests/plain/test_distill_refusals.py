"""What LAD and CoLAD refuse to wrap."""

import pytest

import labelassign as la


@pytest.mark.parametrize("wrapper", [la.LAD, la.CoLAD])
def test_only_costs_can_be_distilled(wrapper):
    with pytest.raises(TypeError, match=r"a CostAssigner to wrap, got ATSS"):
        wrapper(la.ATSS())
