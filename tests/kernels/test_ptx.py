"""The PTX that Triton emits, executed on the host for four targets: equal to the references, inside its memory."""

import numpy as np
import pytest
import torch
import triton

from labelassign.ops.dispatch import OPS
from labelassign.testing.laws.numbers import _agree
from tests.kernels.offline import launches
from tests.kernels.ptx.machine import execute
from tests.kernels.ptx.memory import MachineError
from tests.kernels.ptx.program import parse
from tests.kernels.ptx.run import EMULATED, TRITON, emulated, findings, memory_filled
from tests.kernels.triton_cases import calls, wanted

pytestmark = pytest.mark.slow_kernels
CALLS = calls()


def test_the_machine_is_made_for_this_triton():
    assert triton.__version__ == TRITON


@pytest.mark.parametrize("target", EMULATED)
@pytest.mark.parametrize("name", CALLS)
def test_emitted_code_answers_what_the_reference_answers(name, target):
    op, args = CALLS[name]
    want = wanted(op, args)
    with emulated(target) as started, memory_filled():
        _agree(f"{name} on {target}", OPS[op].fast["triton"][0], args, want)
    with launches() as asked:
        OPS[op].fast["triton"][0](*args)
    assert [launch.name for launch in started] == [launch.name for launch in asked]


def test_the_inputs_stay_as_they_were():
    for name in (
        "paa, mmdet",
        "rivals, mmdet",
        "award, regions",
        "central_answer, tood",
        "central_answer, simota, mmdet",
        "candidates, mmdet",
        "match, last",
        "complete, points",
        "settle, b",
        "resolve",
        "max_iou",
    ):
        op, args = CALLS[name]
        before = [t.clone() if isinstance(t, torch.Tensor) else t for t in args]
        with emulated("sm_90"):
            OPS[op].fast["triton"][0](*args)
        for was, now in zip(before, args, strict=True):
            assert not isinstance(was, torch.Tensor) or torch.equal(was.nan_to_num(7.0), now.nan_to_num(7.0))


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("best_kernel", "\tdiv.full.f32 \t%r1, %r2, %r3;"),
        ("best_kernel", "\tdiv.approx.f32 \t%r1, %r2, %r3;"),
        ("best_kernel", "\tfma.rn.f32 \t%r1, %r2, %r3, %r4;"),
        ("best_kernel", "\trcp.approx.ftz.f64 \t%rd1, %rd2;"),
        ("cost_kernel", "\tfma.rn.f32x2 \t%rd1, %rd2, %rd3, %rd4;"),
        ("cost_kernel", "\tex2.approx.ftz.f32 \t%r1, %r2;"),
        ("settle_kernel", "\trcp.approx.ftz.f32 \t%r1, %r2;"),
    ],
)
def test_rough_and_fused_instructions_are_found(name, line):
    assert findings(name, f"{line}\n")
    assert not findings("cost_kernel", "\trcp.approx.ftz.f64 \t%rd1, %rd2;\n\tfma.rn.f64 %rd1, %rd2, %rd3, %rd4;\n")


PROLOGUE = """.visible .entry tried(
	.param .u64 tried_param_0
)
{
	ld.param.b64 	%rd1, [tried_param_0];
	mov.u32 	%r1, %tid.x;
	mov.u32 	%r2, %ctaid.x;
"""


def tried(body, *, blocks=1):
    """Run a few lines on two warps a block over memory of 256 bytes; give the memory."""
    memory = torch.zeros(32, dtype=torch.int64)
    program = parse(PROLOGUE + body + "\n\tret;\n}\n")
    execute(program, (blocks,), 64, {"tried_param_0": memory.data_ptr()}, [memory], 64)
    return memory.numpy().view(np.int32)


FAULTS = {
    "outside of every tensor": "add.s64 %rd2, %rd1, 256;\nst.global.b32 [ %rd2 + 0 ], { %r2 };",
    "outside of every": "ld.global.b32 { %r3 }, [ %rd1 + -4 ];",
    "misaligned": "ld.global.b32 { %r3 }, [ %rd1 + 2 ];",
    "shared memory": "st.shared.b32 [ %r1 + 61 ], { %r2 };",
    "no parameter": "mov.b64 %rd2, 5;\nld.param.b64 %rd3, [%rd2];",
    "two threads write": "st.global.b32 [ %rd1 + 0 ], { %r1 };",
    "two blocks write": "setp.eq.s32 %p1, %r2, 0;\n@%p1 st.global.b32 [ %rd1 + 0 ], { 5 };\n"
    "@!%p1 st.global.b32 [ %rd1 + 0 ], { 6 };",
    "another block of the same launch": "st.global.b32 [ %rd1 + 0 ], { 7 };\nld.global.b32 { %r3 }, [ %rd1 + 0 ];",
    "never come": "setp.lt.s32 %p1, %r1, 32;\n@%p1 bra $L__2;\nbar.sync 0;\n$L__2:\n",
    "no end": "$L__3:\nbra $L__3;",
    "unknown": "vote.sync.any.pred %p1, %p2, -1;",
}


@pytest.mark.parametrize("what", FAULTS)
def test_the_machine_sees(what):
    with pytest.raises(MachineError, match=what):
        tried(FAULTS[what], blocks=2)


def test_the_machine_counts_what_it_should():
    each = "mul.lo.s32 %r3, %r1, 4;\ncvt.u64.u32 %rd2, %r3;\nadd.s64 %rd3, %rd1, %rd2;\n"
    odd = "and.b32 %r4, %r1, 1;\nsetp.eq.b32 %p1, %r4, 0;\n@%p1 bra $L__1;\nmov.b32 %r4, 100;\n$L__1:\n"
    sums = "shfl.sync.bfly.b32 %r5, %r4, 1, 31, -1;\nadd.s32 %r6, %r4, %r5;\nst.global.b32 [ %rd3 + 0 ], { %r6 };"
    assert (tried(each + odd + sums) == 100).all()
    third = "shfl.sync.idx.b32 %r5, %r1, 35, 31, -1;\nst.global.b32 [ %rd3 + 0 ], { %r5 };"
    assert tried(each + third).tolist() == [3] * 32 + [35] * 32
    chosen = "setp.eq.s32 %p1, %r1, 9;\nmov.b64 %rd5, tried_param_0;\n@!%p1 mov.b64 %rd5, 0;\n"
    chosen += "@%p1 ld.param.b64 %rd6, [%rd5];\n@%p1 st.global.b32 [ %rd6 + 8 ], { %r1 };"
    assert tried(chosen)[:4].tolist() == [0, 0, 9, 0]
    wide = "setp.eq.b32 %p1, %r1, 0;\ncvt.s64.s32 %rd4, -3;\n"
    wide += "@%p1 atom.global.gpu.relaxed.min.s64 %rd5, [ %rd1 + 8 ], %rd4;"
    assert tried(wide, blocks=3)[:4].tolist() == [0, 0, -3, -1]
