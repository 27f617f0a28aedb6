"""The mixture without the host: fake tensors on another device, full-graph compilation, and its public face."""

import math
import re

import pytest
import torch
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

import labelassign as la
from labelassign.ops.mixture import classify, mixture, separate
from labelassign.ops.mixture.reference import fit
from labelassign.ops.mixture.separate import component_and_score

OPTIONS = (1e-3, 100, 1e-6, False, False)
FLAGS = [{"normalize": n, "data_variance": v} for n in (False, True) for v in (False, True)]


def batch(rows, samples, seed=0):
    generator = torch.Generator().manual_seed(seed)
    costs = torch.rand((rows, samples), generator=generator).mul(3.0).sort(1).values
    return costs, torch.arange(rows) % (samples + 1)


def states(costs, count):
    """Everything from costs to states."""
    weights, means, variances, *_ = mixture(costs, count, *OPTIONS)
    return separate(costs, count, *classify(costs, count, weights, means, variances, False))


def face(costs, count):
    model = la.Mixture(normalize=True)
    component, score = model.classify(costs, count, model.fit(costs, count))
    return la.Separation(scheme="d", prefix="interleaved")(costs, count, component, score)


@pytest.mark.parametrize("shape", [(4, 9), (0, 9), (4, 0)])
@pytest.mark.parametrize("flags", FLAGS, ids=str)
def test_the_reference_asks_nothing_of_a_fake_cuda_tensor(shape, flags):
    with FakeTensorMode():
        costs = torch.empty(shape, device="cuda")
        count = torch.empty(shape[0], dtype=torch.int64, device="cuda")
        result = fit(costs, count, max_steps=3, **flags)
        outputs = *result, *component_and_score(costs, count, *result[:3], normalize=flags["normalize"])
    assert [tuple(part.shape) for part in outputs] == [(shape[0], 2)] * 3 + [shape[:1]] * 3 + [shape] * 2
    assert {part.device.type for part in outputs} == {"cuda"}


def test_leaving_early_would_ask():
    """So that the test above is known to see it."""
    with FakeTensorMode(), pytest.raises(DataDependentOutputException):
        fit(torch.empty(4, 9, device="cuda"), torch.empty(4, dtype=torch.int64, device="cuda"), leave_early=True)


@pytest.mark.parametrize("scheme", ["a", "b", "c", "d"])
@pytest.mark.parametrize("prefix", ["component", "interleaved"])
def test_the_op_and_separation_ask_nothing_of_a_fake_cuda_tensor(scheme, prefix):
    with FakeTensorMode():
        costs = torch.empty(4, 9, device="cuda")
        count = torch.empty(4, dtype=torch.int64, device="cuda")
        component, score = classify(costs, count, *mixture(costs, count, *OPTIONS)[:3], False)
        state = separate(costs, count, component, score, scheme=scheme, prefix=prefix)
    assert (state.shape, state.dtype, state.device.type) == ((4, 9), torch.int8, "cuda")


@pytest.mark.parametrize("function", [states, face])
def test_one_graph_for_all_shapes(function):
    torch._dynamo.reset()
    graphs = []

    def count_graphs(graph, inputs):
        graphs.append(graph)
        return graph

    compiled = torch.compile(function, backend=count_graphs, fullgraph=True, dynamic=True)
    for seed, (rows, samples) in enumerate([(5, 9), (17, 45), (117, 20), (3, 12)]):
        costs, count = batch(rows, samples, seed)
        assert torch.equal(compiled(costs, count), function(costs, count))
    assert len(graphs) == 1


def test_compiled_by_inductor():
    torch._dynamo.reset()
    compiled = torch.compile(states, fullgraph=True, dynamic=True)
    costs, count = batch(17, 45)
    assert torch.equal(compiled(costs, count), states(costs, count))


def test_costs_that_need_a_gradient_are_constants_here():
    costs, count = batch(4, 9)
    learned = costs.clone().requires_grad_()
    assert torch.equal(face(learned, count), face(costs, count))
    assert not la.Mixture().fit(learned, count).means.requires_grad
    fitted = fit(learned, count)[:3]
    assert not any(part.requires_grad for part in (*fitted, *component_and_score(learned, count, *fitted)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tol": -1.0}, "Mixture: expected `tol` >= 0, got -1.0"),
        ({"tol": math.nan}, "Mixture: expected `tol` >= 0, got nan"),
        ({"max_steps": 0}, "Mixture: expected `max_steps` > 0, got 0"),
        ({"max_steps": 2.5}, "Mixture: expected `max_steps` to be an int, got 2.5"),
        ({"reg": 0.0}, "Mixture: expected `reg` > 0, got 0.0"),
        ({"reg": 1e-13}, "Mixture: expected `reg` between 1e-12 and 1e+100, got 1e-13"),
        ({"reg": math.inf}, "Mixture: expected `reg` between 1e-12 and 1e+100, got inf"),
    ],
)
def test_mixture_refuses_options(options, message):
    with pytest.raises((ValueError, TypeError), match=re.escape(message)):
        la.Mixture(**options)


@pytest.mark.parametrize("name", ["scheme", "single", "empty_low", "prefix"])
def test_separation_refuses_options(name):
    with pytest.raises(ValueError, match=f"Separation: expected `{name}` to be one of .*, got 'e'"):
        la.Separation(**{name: "e"})


def test_rows_of_the_wrong_form_are_refused():
    costs, count = batch(4, 9)
    model, separation = la.Mixture(), la.Separation()
    done = model.fit(costs, count)
    component, score = model.classify(costs, count, done)
    for call, message in [
        (lambda: model.fit(costs[0], count), r"Mixture.fit: expected `costs` \[R, K\] \(floating\), got float32"),
        (lambda: model.fit(costs.long(), count), r"Mixture.fit: expected `costs` \[R, K\] \(floating\), got int64"),
        (lambda: model.fit(costs, count.float()), r"Mixture.fit: expected `count` \[R\] of integers, got float32"),
        (lambda: model.fit(costs, count[1:]), "Mixture.fit: expected the same number of rows .*costs: 4, count: 3"),
        (lambda: model.classify(costs[1:], count[1:], done), "Mixture.classify: .* got costs: 3, fit: 4"),
        (lambda: separation(costs, count, component[:, 1:], score), "Separation: expected the same shape everywhere"),
        (lambda: separation(costs.flip(1), count, component, score), "Separation: expected `costs` ascending .* row 2"),
    ]:
        with pytest.raises((ValueError, TypeError), match=message):
            call()
