"""Denoiser of the whole volume, built on the slice network.

Each call goes slice by slice in one or both of the orientations that contain the coarse axis; of
both it takes the average.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from medsr.acquisition.conditioning import feature_vector, phase_channels
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.samplers import Denoise
from medsr.restore.running import Running
from medsr.restore.slices import Box, anatomy_boxes, condition_slices, orientations, to_slices
from medsr.restore.upsampled import Upsampled

__all__ = ["Network", "slice_denoiser"]


@dataclass(frozen=True, eq=False)
class Network:
    """The model and how it runs.

    Attributes:
        denoiser: in evaluation mode.
        context: neighbouring slices that it takes on each side.
        running: where and how it runs.
    """

    denoiser: Denoiser
    context: int
    running: Running


@dataclass(frozen=True, eq=False)
class _View:
    """One orientation of the slices: axis order (stack, H, W), boxes, acquisition features."""

    order: tuple[int, int, int]
    boxes: list[Box]
    features: Tensor

    @property
    def work(self) -> int:
        """Voxels of all boxes."""
        return sum(box.voxels * (box.stack.stop - box.stack.start) for box in self.boxes)


def slice_denoiser(
    network: Network,
    upsampled: Upsampled,
    noise_level: float,
    count: Callable[[float], None],
    *,
    in_turn: bool,
) -> Denoise:
    """A denoiser of the residual over a whole volume [X', Y', Z'] on the network's device.

    All that it needs goes to the device once, here; nothing leaves it between the evaluations.

    Args:
        network: the model.
        upsampled: the scan.
        noise_level: of the scan, over the intensity gain.
        count: called with the share of an evaluation that is done, at last with 1.
        in_turn: evaluation k takes orientation k modulo 2: half the cost. What one leaves uneven
            from slice to slice, the next one corrects. Otherwise both are averaged, which is
            closest to the truth: for a posterior mean.
    """
    acquisition = upsampled.acquisition
    w_axis = acquisition.coarse_axis
    device = network.running.device
    condition = upsampled.condition.to(device)
    dtype = network.running.dtype
    phase = phase_channels(acquisition.axes[w_axis]).to(device)
    views = [
        _View(
            order,
            anatomy_boxes(to_slices(upsampled.condition, order)),
            feature_vector(acquisition, order[1], w_axis, noise_level).to(device),
        )
        for order in orientations(w_axis)
    ]

    def denoise(x: Tensor, sigma: float, k: int) -> Tensor:
        chosen = [views[k % 2]] if in_turn else views
        total = torch.zeros_like(x)
        work, done = sum(view.work for view in chosen), 0
        for view in chosen:
            of_slices = network.denoiser.at(sigma, view.features, dtype)
            stack, noisy, out = (to_slices(v, view.order) for v in (condition, x, total))
            for box in view.boxes:
                for run in _runs(box, network.running.voxels_per_call):
                    place = (run, box.rows, box.columns)
                    index = torch.arange(run.start, run.stop, device=device)
                    cond = condition_slices(
                        stack[..., box.rows, box.columns],
                        index,
                        network.context,
                        phase[:, box.columns],
                        dtype,
                    )
                    out[place] += of_slices(noisy[place][:, None].float(), cond)[:, 0]
                    count(min((done := done + box.voxels * len(index)) / work, 0.999))
        count(1.0)
        return total.div_(len(chosen))

    return denoise


def _runs(box: Box, voxels: int) -> Iterator[slice]:
    """The slices of a box, in runs of about the given number of voxels."""
    count = max(1, voxels // box.voxels)
    for start in range(box.stack.start, box.stack.stop, count):
        yield slice(start, min(start + count, box.stack.stop))
