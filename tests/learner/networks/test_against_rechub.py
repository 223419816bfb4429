"""CGC and PLE say what an independent published implementation says with the same weights."""

import os
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from learner.networks.base import Shape, Sharing
from learner.networks.blocks import Experts
from learner.networks.cgc import CGC
from learner.networks.ple import PLE

TARGETS = ("duration", "memory", "failure")
SHARED, WIDTH, INPUTS = 2, 6, 5
SHAPE = Shape(experts=SHARED, width=WIDTH, depth=2, dropout=0.0, spare=0.0)
ROWS = torch.randn(11, INPUTS, generator=torch.Generator().manual_seed(1)).double()
THEIR_ORDER = [SHARED, *range(SHARED)]  # their gates list the private expert first, ours last


@pytest.fixture(scope="module")
def published() -> ModuleType:
    try:
        from torch_rechub.models.multi_task import ple
    except ImportError as missing:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"torch-rechub is not installed: {missing}")
    return ple


def ours(kind: type[Sharing]) -> Any:
    torch.manual_seed(0)
    sharing = kind(INPUTS, TARGETS, SHAPE).double()
    with torch.no_grad():
        for weight in sharing.parameters():
            weight.copy_(torch.randn_like(weight))
    return sharing.eval()


def theirs(published: ModuleType, level: int, levels: int, depth: int) -> Any:
    """Their level with our kind of layer: layer norm where they have batch norm."""
    expert = {"dims": [WIDTH] * depth, "activation": nn.SiLU, "dropout": 0.0}
    made = published.CGC(level, levels, len(TARGETS), 1, SHARED, INPUTS, expert).double()
    for each in (*made.experts_specific, *made.experts_shared):
        _normed(each.mlp, lambda: nn.LayerNorm(WIDTH).double())
    for each in (*made.gates_specific, *([made.gate_shared] if level < levels else [])):
        _normed(each.mlp, nn.Identity)
    return made.eval()


def _normed(layers: nn.Sequential, norm: Callable[[], nn.Module]) -> None:
    for i, layer in enumerate(layers):
        if isinstance(layer, nn.BatchNorm1d):
            layers[i] = norm()


def _copy_experts(pool: Experts, level: Any) -> None:
    for j, expert in enumerate((*level.experts_shared, *level.experts_specific)):
        linears = [each for each in expert.mlp if isinstance(each, nn.Linear)]
        norms = [each for each in expert.mlp if isinstance(each, nn.LayerNorm)]
        for k, (linear, norm) in enumerate(zip(linears, norms, strict=True)):
            _set(linear.weight, pool.weights[k][j].T)
            _set(linear.bias, pool.biases[k][j, 0])
            _set(norm.weight, pool.gains[k][j, 0])
            _set(norm.bias, pool.shifts[k][j, 0])


def _copy_gate(gate: Any, weight: Tensor, bias: Tensor, order: list[int]) -> None:
    """Weight: experts x inputs."""
    _set(gate.mlp[0].weight, weight[order])
    _set(gate.mlp[0].bias, bias[order])


def _set(to: Tensor, value: Tensor) -> None:
    with torch.no_grad():
        to.copy_(value)


def _said(levels: list[Any]) -> list[Tensor]:
    states = [ROWS] * (len(TARGETS) + 1)
    for level in levels:
        states = level(states)
    return states


def test_cgc_says_the_same(published: ModuleType) -> None:
    cgc, level = ours(CGC), theirs(published, 1, 1, SHAPE.depth)
    _copy_experts(cgc.pool, level)
    weight = cgc.gate.linear.weight.view(len(TARGETS), SHARED + 1, INPUTS)
    bias = cgc.gate.linear.bias.view(len(TARGETS), SHARED + 1)
    for i, gate in enumerate(level.gates_specific):
        _copy_gate(gate, weight[i], bias[i], THEIR_ORDER)
    for said, wanted in zip(cgc(ROWS).values(), _said([level]), strict=True):
        torch.testing.assert_close(said, wanted, atol=1e-6, rtol=0)


def test_ple_says_the_same(published: ModuleType) -> None:
    ple = ours(PLE)
    levels = [theirs(published, i + 1, 2, SHAPE.depth // 2) for i in range(2)]
    for mine, level in zip((ple.first, ple.second), levels, strict=True):
        _copy_experts(mine.pool, level)
        for i, gate in enumerate(level.gates_specific):
            _copy_gate(gate, mine.gate.weight[i].T, mine.gate.bias[i, 0], THEIR_ORDER)
    joint = ple.joint.linear
    private_first = [*range(SHARED, SHARED + len(TARGETS)), *range(SHARED)]
    _copy_gate(levels[0].gate_shared, joint.weight, joint.bias, private_first)
    for said, wanted in zip(ple(ROWS).values(), _said(levels), strict=True):
        torch.testing.assert_close(said, wanted, atol=1e-6, rtol=0)
