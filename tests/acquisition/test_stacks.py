"""Several stacks of one object: the operator and its adjoint, and what they give together."""

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.acquisition.stacks import (
    _sampled,
    _sampled_adjoint,
    explain_all,
    moved_to,
    predicted,
    stack_of,
)
from tests.conftest import smooth_head

SHAPE = (24, 28, 32)


def thick(axis: int, factor: int = 4) -> Acquisition:
    """Slices across one axis of a grid of unit voxels."""
    axes = [AxisSampling(n, 1.0, n, 1.0) for n in SHAPE]
    n = SHAPE[axis]
    axes[axis] = AxisSampling(n, 1.0, n // factor, float(factor), float(factor))
    return Acquisition((axes[0], axes[1], axes[2]))


def turned(degrees: float, shift: float) -> np.ndarray:
    """A rotation about the middle, about the last axis, and a shift along the first; voxels."""
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    index = np.eye(4)
    index[:2, :2] = [[c, -s], [s, c]]
    middle = (np.asarray(SHAPE) - 1) / 2
    index[:3, 3] = middle - index[:3, :3] @ middle
    index[0, 3] += shift
    return index


@pytest.fixture
def head():
    return torch.from_numpy(smooth_head(SHAPE, 3))


def test_the_adjoint_of_sampling_is_its_adjoint():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(*SHAPE, generator=generator, dtype=torch.float64)
    u = torch.randn(20, 30, 25, generator=generator, dtype=torch.float64)
    index = turned(7, 1.3)
    forward = (_sampled(x, u.shape, index) * u).sum()
    back = (x * _sampled_adjoint(u, x.shape, index)).sum()
    assert float(forward) == pytest.approx(float(back), rel=1e-10)


def test_a_stack_that_did_not_move_is_the_acquisition(head):
    stack = stack_of(acquire(head, thick(1)), thick(1), np.eye(4), SHAPE)
    torch.testing.assert_close(
        predicted(head, stack), stack.scan, atol=1e-5 * float(head.max()), rtol=0
    )
    assert bool(stack.counts.all())


def test_voxels_outside_of_the_result_do_not_count():
    stack = stack_of(torch.zeros(24, 28, 8), thick(2), turned(0, 5.0), SHAPE)
    assert not bool(stack.counts[-5:].any())
    assert bool(stack.counts[:19].all())


@pytest.mark.parametrize("motion", [np.eye(4), turned(3, 1.5)], ids=["still", "moved"])
def test_two_stacks_together_know_more_than_one(head, motion):
    """The second stack saw the moved head; together they explain both scans, and more of it."""
    first = stack_of(acquire(head, thick(2)), thick(2), np.eye(4), SHAPE)
    seen = _sampled(head, SHAPE, motion)
    second = stack_of(acquire(seen, thick(0)), thick(0), motion, SHAPE)
    start = torch.full(SHAPE, float(head.mean()))
    errors = []
    for stacks in ([first], [first, second]):
        found = explain_all(start, stacks, 0.003)
        errors.append(float((found - head)[3:-3, 3:-3, 3:-3].square().mean()))
        for stack in stacks:
            rest = (predicted(found, stack) - stack.scan) * stack.counts
            before = (predicted(start, stack) - stack.scan) * stack.counts
            assert float(rest.square().mean()) < 0.01 * float(before.square().mean())
    assert errors[1] < 0.7 * errors[0]


def test_a_first_guess_that_explains_all_stays(head):
    stacks = [stack_of(acquire(head, thick(k)), thick(k), np.eye(4), SHAPE) for k in (0, 2)]
    torch.testing.assert_close(
        explain_all(head, stacks, 0.01), head, atol=1e-4 * float(head.max()), rtol=0
    )


def test_an_image_comes_back_from_another_grid(head):
    index = turned(5, 2.0)
    there, inside = moved_to(head.numpy(), index, SHAPE)
    back, again = moved_to(there, np.linalg.inv(index), SHAPE)
    both = (again > 0.99) & (moved_to(inside, np.linalg.inv(index), SHAPE)[0] > 0.99)
    assert both.mean() > 0.6
    assert (
        np.abs(back - head.numpy())[both].mean() < 0.2 * np.abs(there - head.numpy())[both].mean()
    )
