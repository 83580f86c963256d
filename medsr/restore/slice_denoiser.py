"""Denoiser of the whole volume, built on the slice network.

Each call goes slice by slice in one or both of the orientations that contain the coarse axis; of
both it takes the average. So it does of the scale of the error, where the network gives it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from medsr.acquisition.conditioning import feature_vector, phase_channels
from medsr.diffusion.denoiser import Denoiser
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.restore.lanes import Part, Totals, in_lanes, parts_of
from medsr.restore.running import Running
from medsr.restore.slices import (
    Box,
    anatomy_boxes,
    condition_slices,
    evenly,
    orientations,
    to_slices,
)
from medsr.restore.upsampled import Upsampled

__all__ = ["Network", "SliceDenoiser", "slice_denoiser"]

#: Slices whose range of values stands for that of all, where convolutions are of integers.
EXAMPLES = 4

#: The denoised slices [n, C, H, W] of noisy ones [n, 1, H, W] and their condition.
OfSlices = Callable[[Tensor, Tensor], Tensor]


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

    def at(
        self, sigma: float, features: Tensor, examples: tuple[Tensor, Tensor] | None
    ) -> OfSlices:
        """The denoiser of one noise level and acquisition; see `Denoiser.at`."""
        given = () if examples is None else (examples,)
        return self.denoiser.at(sigma, features, self.running.dtype, *given)


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


@dataclass(frozen=True, eq=False)
class SliceDenoiser:
    """A denoiser of the residual over a whole volume [X', Y', Z'] on the network's device.

    Attributes:
        network: the model.
        condition: the upsampled scan, [X', Y', Z'], phase its phase map [2, W], and guides the
            channels of its guides [K, X', Y', Z'] or None: on the device.
        views: the orientations.
        count: called with the share of an evaluation that is done, at last with 1.
        in_turn: see `slice_denoiser`.
    """

    network: Network
    condition: Tensor
    phase: Tensor
    views: list[_View]
    count: Callable[[float], None]
    in_turn: bool
    guides: Tensor | None = None

    def __call__(self, x: Tensor, sigma: float, k: int) -> Tensor:
        """The denoised residual, [X', Y', Z'], in the k-th evaluation; a `samplers.Denoise`."""
        return self._evaluate(x, sigma, k, channels=1)[0]

    def mean_and_scale(self) -> tuple[Tensor, Tensor | None]:
        """The posterior mean of the residual, [X', Y', Z'], and the scale of its error, like it.

        Both are on the device; the scale is None of a model without a scale head.
        """
        nothing = torch.zeros_like(self.condition)  # the noisy image, which does not matter here
        mean, *scale = self._evaluate(nothing, SIGMA_MAX, 0, channels=2)
        return mean, scale[0] if scale else None

    def _evaluate(self, x: Tensor, sigma: float, k: int, *, channels: int) -> list[Tensor]:
        """The first channels that the network gives, over the whole volume: [X', Y', Z'] each."""
        chosen = [self.views[k % 2]] if self.in_turn else self.views
        totals = Totals(x)
        work, done = sum(view.work for view in chosen), 0
        for view in chosen:
            examples = self._examples(x, view) if self.network.running.integers else None
            of_slices = self.network.at(sigma, view.features, examples)
            add = partial(self._add, totals, x, view, of_slices, channels)
            for box, run in in_lanes(
                add, parts_of(view.boxes, self.network.running.voxels_per_call), x.device
            ):
                done += box.voxels * (run.stop - run.start)
                self.count(min(done / work, 0.999))
        self.count(1.0)
        return [total.div_(len(chosen)) for total in totals.maps]

    def _add(
        self, totals: Totals, x: Tensor, view: _View, of_slices: OfSlices, most: int, part: Part
    ) -> None:
        """One call of the network, added to the sums: at most so many of its channels."""
        box, run = part
        place = (run, box.rows, box.columns)
        noisy = to_slices(x, view.order)[place]
        found = of_slices(noisy[:, None].float(), self._cond(view, box, run))[:, :most]
        for total, values in zip(totals.at_least(found.shape[1]), found.unbind(1), strict=True):
            to_slices(total, view.order)[place] += values

    def _examples(self, x: Tensor, view: _View) -> tuple[Tensor, Tensor] | None:
        """Whole slices from the anatomy, noisy and condition: the ranges of 8-bit integers."""
        boxes = [view.boxes[k] for k in evenly(len(view.boxes), EXAMPLES)]
        if not boxes:
            return None
        index = torch.tensor([(box.stack.start + box.stack.stop) // 2 for box in boxes])
        stack, dtype = to_slices(self.condition, view.order), self.network.running.dtype
        guides = None if self.guides is None else to_slices(self.guides, view.order)
        near = self.network.context, self.phase, dtype, guides
        condition = condition_slices(stack, index, *near)
        return to_slices(x, view.order)[index][:, None].float(), condition

    def _cond(self, view: _View, box: Box, run: slice) -> Tensor:
        """The condition of some slices of a box: [n, C, H, W]."""
        guides = self.guides
        if guides is not None:
            guides = to_slices(guides, view.order)[..., box.rows, box.columns]
        return condition_slices(
            to_slices(self.condition, view.order)[..., box.rows, box.columns],
            torch.arange(run.start, run.stop, device=self.condition.device),
            self.network.context,
            self.phase[:, box.columns],
            self.network.running.dtype,
            guides,
        )


def slice_denoiser(
    network: Network,
    upsampled: Upsampled,
    noise_level: float,
    count: Callable[[float], None],
    *,
    in_turn: bool,
) -> SliceDenoiser:
    """The denoiser of a scan.

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
    views = [
        _View(
            order,
            anatomy_boxes(to_slices(upsampled.condition, order)),
            feature_vector(acquisition, order[1], w_axis, noise_level).to(device),
        )
        for order in orientations(w_axis)
    ]
    condition = upsampled.condition.to(device)
    phase = phase_channels(acquisition.axes[w_axis]).to(device)
    guides = None if upsampled.guides is None else upsampled.guides.to(device)
    return SliceDenoiser(network, condition, phase, views, count, in_turn, guides)
