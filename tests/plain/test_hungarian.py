"""Hungarian compiled, with image sizes of its own; and what it says of wrong input."""

import pytest
import torch
from torch._dynamo.utils import counters

import labelassign as la
from labelassign.ops.dispatch import OPS
from tests.scenes import IMAGE, grid, ground_truth, predictions

QUERIES = 20


def problem(counts, seed=0):
    images = [image | {"image_size": IMAGE} for image in ground_truth(counts, seed=seed).to_list()]
    p = predictions(la.Priors.queries(QUERIES), len(counts), seed=seed, noise=30.0)
    return la.Priors.queries(QUERIES), la.GroundTruth.from_list(images), p


@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("rule", [la.Hungarian(), la.Hungarian.dino(groups=4)], ids=str)
def test_compiled_in_one_graph_equals_eager(rule, backend):
    torch._dynamo.reset()
    counters.clear()
    compiled = torch.compile(lambda *records: rule(*records), fullgraph=True, backend=backend)
    for seed, counts in enumerate([(2, 3), (5, 0), (0, 0), (7, 30)]):
        args = problem(counts, seed)
        want, got = rule(*args), compiled(*args)
        assert torch.equal(want.gt_index, got.gt_index)
        assert torch.equal(want.reason, got.reason)
        torch.testing.assert_close(want.quality, got.quality)
    assert not counters["graph_break"]


def test_cuda_graphs_leave_the_search_out():
    tags = {name: torch.ops.labelassign.__getattr__(name).default.tags for name in OPS}
    assert {name for name, tag in tags.items() if torch.Tag.cudagraph_unsafe in tag} == {"linear_assignment"}


def sized(*sizes):
    return la.GroundTruth.from_list([{"boxes": [], "labels": [], "image_size": size} for size in sizes])


def call(rule, gt):
    return rule(la.Priors.queries(QUERIES), gt, predictions(la.Priors.queries(QUERIES), gt.num_images))


# what is called, and the parts that its message must have
CASES = {
    "no image sizes": (
        lambda: call(la.Hungarian(), ground_truth((1,))),
        ["Hungarian", "`gt.image_sizes`", "image_sizes=None", 'Give every image "image_size"'],
    ),
    "an image without height": (
        lambda: call(la.Hungarian(), sized((80, 100), (0, 100))),
        ["Hungarian", "above 0", "[[80.0, 100.0], [0.0, 100.0]]"],
    ),
    "an image of NaN": (lambda: call(la.Hungarian(), sized((80, float("nan")))), ["above 0", "[[80.0, nan]]"]),
    "queries that do not divide": (
        lambda: call(la.Hungarian(groups=3), sized((80, 100))),
        ["Hungarian", "queries that divide into 3 equal groups", "got 20", "`groups=1`"],
    ),
    "no predictions": (
        lambda: la.Hungarian()(grid(), sized((80, 100))),
        ["Hungarian", "`predictions` (it needs predictions)", "predictions=None"],
    ),
    "an unknown cost": (lambda: la.Hungarian("softmax"), ["`cls_cost` to be one of", "'softmax'"]),
    "an unknown solver": (lambda: la.Hungarian(solver="lap"), ["`solver` to be one of", "'torch-linear-assignment'"]),
    "a negative weight": (lambda: la.Hungarian(l1_weight=-1.0), ["`l1_weight` >= 0", "got -1.0"]),
    "no weight": (lambda: la.Hungarian("focal", 0.0, 0.0, 0.0), ["a positive weight", "0 for all three costs"]),
    "no group": (lambda: la.Hungarian(groups=0), ["`groups` > 0", "got 0"]),
    "no repeat": (lambda: la.Hungarian(repeats=0), ["`repeats` > 0", "got 0"]),
    "an alpha above 1": (lambda: la.Hungarian(alpha=1.5), ["0 <= alpha <= 1", "got 1.5"]),
    "no eps": (lambda: la.Hungarian(eps=0.0), ["`eps` > 0", "got 0.0"]),
}


@pytest.mark.parametrize("name", CASES)
def test_the_message_has_all_four_parts(name):
    run, parts = CASES[name]
    with pytest.raises(ValueError, match=r": expected .*, got ") as caught:
        run()
    missing = [part for part in parts if part not in str(caught.value)]
    assert not missing, str(caught.value)
