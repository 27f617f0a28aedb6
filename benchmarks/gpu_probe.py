"""What is looked at on a GPU: time between events, waiting for the device, graph capture, launches, memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from torch.autograd import DeviceType

from benchmarks.arms import Arm
from benchmarks.memory import size

Call = Callable[[], Any]
_REPLAYS = 50
_MIB = 1 << 20


@dataclass(frozen=True)
class Probe:
    """How a device is measured: a stopwatch in seconds, what else is found out about an arm, whether to compile."""

    stopwatch: Callable[[Call], float]
    look: Callable[[Arm], dict[str, Any]]
    compiles: bool = True


def between_events(call: Call) -> float:
    """Seconds that the device took from before the first launch of a call to after its last."""
    begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    begin.record()
    call()
    end.record()
    end.synchronize()
    return 1e-3 * begin.elapsed_time(end)


def waits(call: Call) -> str | None:
    """The first wait of the host for the device, as torch reports it; None if the call never waits."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        call()
    except RuntimeError as error:
        return str(error).strip().splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return None


def launches(events: Iterable[Any]) -> int:
    """How many things the device did: kernels, copies, fills."""
    return sum(event.device_type == DeviceType.CUDA for event in events)


def _count(call: Call) -> int:
    kinds = [torch.profiler.ProfilerActivity.CPU, torch.profiler.ProfilerActivity.CUDA]
    with torch.profiler.profile(activities=kinds) as profile:
        call()
        torch.cuda.synchronize()
    return launches(profile.events())


def _graph(call: Call) -> float:
    """Milliseconds of one replay of the captured call."""
    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(3):
            call()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        kept = call()  # what the graph writes to
    times = [between_events(graph.replay) for _ in range(_REPLAYS)]
    del kept
    return round(1e3 * statistics.median(times), 5)


def _peak(call: Call) -> float:
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    answer = call()
    torch.cuda.synchronize()
    return round(max(0, torch.cuda.max_memory_allocated() - before - size(answer)) / _MIB, 3)


def look(arm: Arm) -> dict[str, Any]:
    """Waits, launches and peak memory; an arm of ours that never waits is captured, too."""
    found: dict[str, Any] = {"waits": waits(arm.call), "launches": _count(arm.call), "peak_mib": _peak(arm.call)}
    capture = found["waits"] is None and not arm.peer and arm.name != "compiled"
    return found | {"graph_ms": _graph(arm.call) if capture else None}


def to_cpu(thing: Any) -> Any:
    """An answer with its tensors on the CPU: records, sequences, and the results of mmdet's assigners."""
    if isinstance(thing, Tensor) or (hasattr(thing, "to") and hasattr(thing, "__dataclass_fields__")):
        return thing.to("cpu")
    if isinstance(thing, list):
        return [to_cpu(each) for each in thing]
    if isinstance(thing, tuple):
        parts = [to_cpu(each) for each in thing]
        return type(thing)(*parts) if hasattr(thing, "_fields") else tuple(parts)
    if hasattr(thing, "gt_inds"):
        return SimpleNamespace(gt_inds=thing.gt_inds.cpu())
    return thing


CUDA = Probe(between_events, look)
