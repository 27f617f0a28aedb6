"""The benchmark of adapters: clocks, gates, results files and the page made from them."""

import copy
import re
import time
from dataclasses import replace

import jsonschema
import pytest
import torch
from torch import nn

import labelassign as la
from benchmarks import results
from benchmarks.adapters import __main__ as command
from benchmarks.adapters import of_torchvision, page, report
from benchmarks.adapters.meter import Meter
from benchmarks.adapters.replay import heard, repeating
from tests.benchmarks.made import MACHINE

SMALL = of_torchvision.SUBJECTS[1]  # FCOS
QUICK = ["--quick", "--budget", "0.1", "--rounds", "3", "--note", "a test"]


def times(median):
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median, "calls": 9}


def clocks(stock, ours):
    return {side: {"cpu": times(value), "wall": times(2 * value)} for side, value in (("stock", stock), ("ours", ours))}


def row(name, ours, shares=(0.02, 0.01, 0.03), objects=20):
    share = dict(zip(("share_median", "share_low", "share_high"), shares, strict=True))
    sizes = {"side": 64, "images": 2, "objects": objects, "priors": 1364}
    gate = {"steps": 3, "difference": 0.0, "tolerance": 1e-5, "green": True}
    figures = {"step": clocks(100.0, ours) | {"ratio": 100.0 / ours}, "loss": clocks(20.0, 10.0)}
    figures |= {"assignment": {"stock": times(8.0), "ours": times(0.5)}}
    figures |= {"overhead": {"median": 0.16, "low": 0.08, "high": 0.24} | share}
    return {"name": name, "package": "torch", "rule": "ATSS()", "failed": None, "gate": gate} | sizes | figures


def red():
    bad = {"steps": 3, "difference": 0.5, "tolerance": 1e-5, "green": False}
    return row("MONAI", 1.0) | {"gate": bad} | dict.fromkeys(("step", "loss", "assignment", "overhead"))


def failed():
    return red() | {"name": "LAD", "failed": "stock raises ValueError: collapsed", "gate": None}


def content():
    rows = [row("mmdet PAAHead", 50.0), row("mmdet PAAHead", 25.0, objects=60), row("YOLOX", 200.0, (0.2, 0.1, 0.3))]
    made = {"version": 1, "kind": "adapters", "unit": "ms", "rounds": 9, "complete": True, "note": ""}
    return made | {
        "machine": copy.deepcopy(MACHINE),
        "subjects": [*rows, row("DETR", 90.0, (0.04, 0.01, 0.09)), red(), failed()],
    }


@pytest.fixture
def only(monkeypatch):
    """Measure these, without the other libraries."""

    def measure(*subjects):
        monkeypatch.setattr(command, "subjects", lambda: list(subjects))

    return measure


def test_a_quick_run_writes_a_valid_file_and_a_page(only, tmp_path, capsys):
    only(SMALL)
    assert command.main([*QUICK, "--out", str(tmp_path)]) == 0
    assert "torchvision FCOS" in capsys.readouterr().out
    path = results.newest(tmp_path, "adapters")
    (found,) = results.read(path, results.ADAPTERS)["subjects"]
    assert found["gate"]["green"]
    assert found["priors"] == 16**2 + 8**2 + 4**2 + 2**2 + 1
    assert 0 < found["assignment"]["ours"]["median"] < found["loss"]["ours"]["cpu"]["median"]
    assert found["loss"]["ours"]["cpu"]["median"] < found["step"]["ours"]["cpu"]["median"]
    text = page.write(path, tmp_path, {}).read_text("utf-8")
    assert "| torchvision FCOS" in text
    assert "meanwhile: a test." in text
    assert "The run left comparisons out." in text


def test_another_rule_has_no_figures(only, tmp_path):
    only(replace(SMALL, rule=la.FCOS.mmdet(), name="another"))
    assert command.main([*QUICK, "--out", str(tmp_path)]) == 1
    (found,) = results.read(results.newest(tmp_path, "adapters"), results.ADAPTERS)["subjects"]
    assert found["gate"]["difference"] > 1e-5
    assert found["step"] is found["overhead"] is None


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("version",), 2),
        (("kind",), "cpu"),
        (("machine", "commit"), ""),
        (("subjects", 0, "step", "ours", "cpu", "median"), 0.0),
        (("subjects", 0, "step"), None),
        (("subjects", 0, "surprise"), 1),
        (("subjects", 4, "overhead"), row("", 1.0)["overhead"]),  # losses differ: no figures
    ],
    ids=str,
)
def test_the_schema_refuses(place, value):
    given = content()
    results.validate(given, results.ADAPTERS)
    at = given
    for step in place[:-1]:
        at = at[step]
    at[place[-1]] = value
    with pytest.raises(jsonschema.ValidationError):
        results.validate(given, results.ADAPTERS)


def test_the_page_shows_losses_as_plainly_as_wins():
    text = page.page(content(), "x.json", {"YOLOX": "It waits.", "mmdet PAAHead": "never shown"})
    assert "- YOLOX: stock takes 100 ms, ours 200 ms." in text
    assert "- MONAI: losses differ by 5.0e-01: no figure." in text
    assert "- LAD: stock raises ValueError: collapsed: no figure." in text
    assert "| YOLOX | not reached | It waits. |" in text
    assert "| DETR | not resolved |" in text
    assert "| mmdet PAAHead, 60 objects | reached |  |" in text
    assert "never shown" not in text
    assert "$" not in text
    mixtures = text.partition("## mmdet's PAA and LAD")[2].partition("\n## ")[0]
    assert re.findall(r"\*\*(.*?)\*\*", mixtures) == ["2.00", "4.00"]
    for block in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE):
        assert len({line.count("|") for line in block.strip().splitlines()}) == 1, block


def test_the_printed_table_has_verdicts_and_red_rows(capsys):
    report.show(content())
    printed = capsys.readouterr().out
    assert "not resolved" in printed
    assert "no figure" in printed
    assert "2.0 % (1.0 %–3.0 %)" in printed


def test_a_reason_for_no_detector_is_an_error(only, tmp_path):
    only(SMALL)
    path = tmp_path / "why.toml"
    assert page.reasons(path) == {}
    path.write_text('"torchvision FCOS" = "because"\nFCOX = "lost"\n', encoding="utf-8")
    with pytest.raises(ValueError, match=r"got \['FCOX'\]"):
        page.reasons(path)


def burn(seconds):
    begin = time.process_time()
    while time.process_time() - begin < seconds:
        pass


class Parts:
    """Spends 10 ms deciding, 20 ms inside of that writing, 30 ms losing and 40 ms otherwise."""

    def decide(self):
        burn(0.01)
        self.lose_inside()
        self.write()

    def lose_inside(self):
        self.lose(0.0)

    def write(self):
        burn(0.02)

    def lose(self, seconds=0.03):
        burn(seconds)

    def __call__(self):
        self.decide()
        self.lose()
        burn(0.04)


def test_every_part_of_a_call_has_a_clock_of_its_own():
    parts = Parts()
    meter = Meter([(parts, "decide"), (parts, "lose_inside")], [(parts, "lose")], [(parts, "write")])
    with meter.watching():
        spent = meter.of(parts)
    assert spent.assigning == pytest.approx(0.01, abs=0.005)
    assert spent.losing == pytest.approx(0.03, abs=0.005)
    assert spent.rest == pytest.approx(0.06, abs=0.005)
    assert spent.cpu == pytest.approx(spent.assigning + spent.losing + spent.rest)
    assert not vars(parts)


def test_a_network_answers_from_memory():
    net, other = (nn.Sequential(nn.Linear(2, 2), nn.ReLU()) for _ in range(2))
    x = torch.ones(1, 2)
    answers = heard([(net, "forward")], lambda: net(x))
    with repeating([(other, "forward")], answers):
        assert other(x).equal(net(x))
        assert other(x).requires_grad
        assert other(x).grad_fn is None
    assert not other(x).equal(net(x))
