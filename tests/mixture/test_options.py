"""The public face hands every option to the ops, and gives records."""

import dataclasses
import itertools

import pytest
import torch

import labelassign as la
from labelassign.ops.mixture import component_and_score, separate
from labelassign.ops.mixture.reference import fit
from tests.ops.mixture_problems import pack, rows

OPTIONS = [
    {},
    {"tol": 1e-7},
    {"max_steps": 2},
    {"reg": 1e-2},
    {"normalize": True},
    {"data_variance": True},
    {"tol": 1e-6, "normalize": True, "data_variance": True},
]
SEPARATIONS = {
    "scheme": ("a", "b", "c", "d"),
    "single": ("positive", "drop"),
    "empty_low": ("all", "none"),
    "prefix": ("component", "interleaved"),
}


def batch():
    """Rows with one, two and many samples; no component 0, two modes, and modes inside each other."""
    return pack(
        [[0.3], *(row for family in ("two samples", "interleaved modes", "one mode") for row in rows(family, 3))]
    )


def same_bits(left, right):
    return all(torch.equal(a, b) for a, b in zip(left, right, strict=True))


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_mixture_passes_its_options_on(options):
    costs, count = batch()
    mixture = la.Mixture(**options)
    found, expected = mixture.fit(costs, count), fit(costs, count, **options)
    assert isinstance(found, la.MixtureFit)
    assert same_bits([getattr(found, field.name) for field in dataclasses.fields(found)], expected)
    classified = component_and_score(costs, count, *expected[:3], normalize=options.get("normalize", False))
    assert same_bits(mixture.classify(costs, count, found), classified)


def test_every_mixture_option_makes_a_difference():
    plain = fit(*batch())
    assert not [options for options in OPTIONS[1:] if same_bits(fit(*batch(), **options), plain)]


@pytest.mark.parametrize("values", list(itertools.product(*SEPARATIONS.values())), ids="-".join)
def test_separation_passes_its_options_on(values):
    options = dict(zip(SEPARATIONS, values, strict=True))
    costs, count = batch()
    component, score = la.Mixture().classify(costs, count, la.Mixture().fit(costs, count))
    component[-1] = 1  # a row without component 0
    component[-1, int(count[-1]) :] = -1
    state = la.Separation(**options)(costs, count, component, score)
    assert torch.equal(state, separate(costs, count, component, score, **options))
    assert state[0, 0] == (1 if options["single"] == "positive" else 0)
    assert bool((state[-1, : count[-1]] == (1 if options["empty_low"] == "all" else 0)).all())
    other = la.Separation(**options | {"prefix": "interleaved" if options["prefix"] == "component" else "component"})
    shown = torch.equal(state, other(costs, count, component, score))
    assert shown == (options["scheme"] in {"a", "d"}), "interleaved modes tell the two prefixes apart under b and c"


def test_defaults():
    assert dataclasses.astuple(la.Mixture()) == (1e-3, 100, 1e-6, False, False)
    assert dataclasses.astuple(la.Separation()) == ("c", "positive", "all", "component")


@pytest.mark.parametrize("thing", [la.Mixture(), la.Separation()])
def test_configuration_is_frozen_and_hashable(thing):
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(thing, dataclasses.fields(thing)[0].name, None)
    assert hash(thing) == hash(type(thing)())
    assert thing == type(thing)()
