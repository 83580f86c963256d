import pytest
import torch

from medsr.training.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(8, 72), (72, 8), (16, 16)])
def test_singular_values_end_near_one(shape):
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(shape, generator=generator)
    values = torch.linalg.svdvals(orthogonal(matrix).float())
    assert float(values.max()) < 1.3
    assert float(values.median()) > 0.6


def test_steps_are_those_of_torch():
    """torch.optim.Muon (from torch 2.9 on) on the same matrix; it multiplies in bfloat16."""
    theirs = getattr(torch.optim, "Muon", None)
    if theirs is None:
        pytest.skip("this torch has no Muon")
    generator = torch.Generator().manual_seed(1)
    start = torch.randn(6, 5, 3, 3, generator=generator)
    ours = torch.nn.Parameter(start.clone())
    flat = torch.nn.Parameter(start.flatten(1).clone())
    mine = Muon([ours], rate=0.02, weight_decay=0.1)
    other = theirs([flat], lr=0.02, weight_decay=0.1, adjust_lr_fn="match_rms_adamw")
    for _ in range(4):
        gradient = torch.randn(6, 5, 3, 3, generator=generator)
        ours.grad, flat.grad = gradient, gradient.flatten(1)
        mine.step()
        other.step()
    moved = (ours.detach() - start).flatten(1)
    wanted = flat.detach() - start.flatten(1)
    assert (
        float((moved - wanted).norm() / wanted.norm()) < 0.05
    )  # two chains of bfloat16: up to 0.022
