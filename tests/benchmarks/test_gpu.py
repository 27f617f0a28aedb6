"""The GPU benchmark, as far as a machine without a GPU can run it."""

from types import SimpleNamespace

import pytest
import torch
from torch.autograd import DeviceType

from benchmarks import gpu, gpu_probe, results, timing
from benchmarks.methods import METHODS
from benchmarks.workloads import Problem, Workload


def test_without_a_gpu_it_says_what_to_do(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu.main(["--quick"]) == 2
    said = capsys.readouterr().err
    assert "expected a CUDA or ROCm device" in said
    assert torch.__version__ in said
    assert "python -m benchmarks" in said


@pytest.mark.parametrize("only", ["MaxIoU, torch", "ATSS"])
def test_everything_but_the_device_runs_here(only, tmp_path):
    looked = []

    def look(arm):
        looked.append(arm.name)
        return {"waits": None, "launches": 3, "peak_mib": 0.5, "graph_ms": None if arm.peer else 0.1}

    probe = gpu_probe.Probe(timing.wall, look, compiles=False)
    content = gpu.run(gpu.options(["--quick", "--only", only, "--rounds", "1"]), probe, "cpu")
    (row,) = results.read(results.write(tmp_path, content))["cases"]
    assert sorted(looked) == sorted(row["arms"])
    assert all(gate["green"] for gate in row["gates"])
    assert row["arms"]["reference"]["graph_ms"] == 0.1


@pytest.mark.parametrize("method", METHODS.values(), ids=lambda method: method.name)
def test_answers_come_to_the_cpu_in_the_form_that_gates_read(method):
    problem = Problem(Workload("small", (256, 256), (8, 16, 32), (3, 2)))
    with torch.no_grad():
        mine = method.ours(problem)()
        assert method.same(mine, gpu_probe.to_cpu(mine)).green
        for peer in method.peers(problem):
            assert method.gate(problem, gpu_probe.to_cpu(mine), gpu_probe.to_cpu(peer.call())).green


def test_what_the_device_did_is_counted():
    kinds = [DeviceType.CPU, DeviceType.CUDA, DeviceType.CUDA, DeviceType.CPU]
    assert gpu_probe.launches(SimpleNamespace(device_type=kind) for kind in kinds) == 2


def test_a_wait_is_reported_and_the_mode_put_back(monkeypatch):
    modes = []
    monkeypatch.setattr(torch.cuda, "set_sync_debug_mode", modes.append)

    def waits():
        raise RuntimeError("called a synchronizing CUDA operation\nlong trace")

    assert gpu_probe.waits(waits) == "called a synchronizing CUDA operation"
    assert gpu_probe.waits(dict) is None
    assert modes == ["error", "default"] * 2
