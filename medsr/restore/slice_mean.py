"""The posterior mean of some slices, from one orientation: a part of what a whole scan takes."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medsr.acquisition.conditioning import feature_vector, phase_channels
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.restore.lanes import Part, Totals, in_lanes, parts_of
from medsr.restore.slice_denoiser import Network
from medsr.restore.slices import anatomy_boxes, condition_slices, evenly, to_slices
from medsr.restore.upsampled import Upsampled

__all__ = ["mean_of_slices"]

#: Slices whose range of values stands for that of all, where convolutions are of integers.
EXAMPLES = 2


def mean_of_slices(
    network: Network, upsampled: Upsampled, planes: Sequence[int], stack_axis: int, noise: float
) -> tuple[Tensor, Tensor | None]:
    """The posterior mean of the residual at some planes, and the scale of its error.

    Both are [X', Y', n] for a stack axis Z; the scale is None of a model without a scale head.

    Args:
        network: the model.
        upsampled: the scan. Along the stack axis it is neither resampled nor blurred.
        planes: which planes along the stack axis; the network also looks at their neighbours.
        stack_axis: not the coarse one.
        noise: level of the scan, over the intensity gain.
    """
    axis, device = upsampled.acquisition.coarse_axis, network.running.device
    h_axis = 3 - axis - stack_axis
    order = (stack_axis, h_axis, axis)
    stack = to_slices(upsampled.condition.to(device), order)
    guides = upsampled.guides
    if guides is not None:
        guides = to_slices(guides.to(device), order)
    phase = phase_channels(upsampled.acquisition.axes[axis]).to(device)
    features = feature_vector(upsampled.acquisition, h_axis, axis, noise).to(device)
    index = torch.tensor(planes, device=device)
    examples = None
    if network.running.integers:
        some = index[evenly(len(index), EXAMPLES)]
        near = network.context, phase, network.running.dtype, guides
        condition = condition_slices(stack, some, *near)
        examples = torch.zeros_like(condition[:, :1]), condition
    of_slices = network.at(SIGMA_MAX, features, examples)
    totals = Totals(torch.zeros(len(index), *stack.shape[1:]))

    def add(part: Part) -> None:
        box, run = part
        of_box = stack[..., box.rows, box.columns], index[run], network.context
        near = None if guides is None else guides[..., box.rows, box.columns]
        dtype = network.running.dtype
        condition = condition_slices(*of_box, phase[:, box.columns], dtype, near)
        noisy = torch.zeros_like(condition[:, :1], dtype=torch.float32)
        found = of_slices(noisy, condition).cpu().unbind(1)
        for total, values in zip(totals.at_least(len(found)), found, strict=True):
            total[run, box.rows, box.columns] = values

    parts = parts_of(anatomy_boxes(stack[index]), network.running.voxels_per_call)
    for _ in in_lanes(add, parts, device):
        pass
    mean, *scale = (values.permute([order.index(k) for k in range(3)]) for values in totals.maps)
    return mean, scale[0] if scale else None
