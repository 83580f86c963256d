"""Where the seconds of an enhancement go, and how near its convolutions come to their best."""

from __future__ import annotations

import cProfile
import pstats
import threading
import time
from collections import defaultdict
from pathlib import Path

import torch
from torch import Tensor, nn

from medsr.commands import enhance
from medsr.network.device import half_is_fast
from medsr.restore.enhancer import Enhancer
from medsr.restore.lanes import MOST_LANES
from medsr.restore.options import Options
from medsr.volume.formats import read

__all__ = ["convolution_table", "sections_table"]

#: Functions whose time is reported: (file, function) and a label.
SECTIONS = {
    ("formats.py", "read"): "reading",
    ("enhancer.py", "from_pretrained"): "loading the weights",
    ("upsampled.py", "of"): "upsampling",
    ("lanes.py", "in_lanes"): "network, with cutting slices",
    ("pipeline.py", "_consistent"): "data consistency",
    ("profile_check.py", "check_profile"): "checking the slice profile",
    ("pipeline.py", "_audit"): "audit",
    ("pipeline.py", "_noise"): "noise field",
    ("write.py", "write"): "writing",
}

#: A layer: channels in and out, kernel, stride, and the image [B, H, W] it saw.
Shape = tuple[int, int, int, int, int, int, int]


_ONE_AT_A_TIME = threading.Lock()


def sections_table(scan: Path, out: Path, steps: int = 1) -> str:
    """Seconds of each part of one enhancement in this process, as Markdown."""
    profile = cProfile.Profile()
    began = time.monotonic()
    profile.enable()
    enhance.run(enhance.Request(scan, out, Options(steps=steps), overwrite=True))
    profile.disable()
    total = time.monotonic() - began
    lines = [f"| part of {total:.1f} s ({steps} step) | seconds | share |", "|---|---|---|"]
    known = 0.0
    for (file, _, name), numbers in pstats.Stats(profile).stats.items():  # type: ignore[attr-defined]
        label = SECTIONS.get((Path(file).name, name))
        if label is not None and "medsr" in file:
            known += numbers[3]
            lines.append(f"| {label} | {numbers[3]:.2f} | {numbers[3] / total:.0%} |")
    lines.append(f"| all else | {total - known:.2f} | {(total - known) / total:.0%} |")
    return "\n".join(lines)


def convolution_table(scan: Path) -> str:
    """The convolutions of a posterior mean against the same layers alone, as Markdown."""
    enhancer = Enhancer.from_pretrained("mr-head", device="cpu")
    lanes = min(torch.get_num_threads(), MOST_LANES)  # each runs a convolution on one thread
    seconds: dict[Shape, float] = defaultdict(float)
    calls: dict[Shape, int] = defaultdict(int)
    for layer in enhancer.denoiser.modules():
        if isinstance(layer, nn.Conv2d):
            _clock(layer, seconds, calls)
    plan = enhancer.plan(read(scan), Options(steps=1))
    began = time.monotonic()
    enhancer.run(plan)
    total = time.monotonic() - began
    flops = sum(calls[shape] * _flops(shape) for shape in calls)
    torch.set_num_threads(1)
    alone = sum(calls[shape] * _best_seconds(shape) for shape in calls) / lanes
    torch.set_num_threads(lanes)
    inside = sum(seconds.values()) / lanes
    return (
        "| convolutions | seconds | GFLOP/s |\n|---|---|---|\n"
        f"| in the run of {total:.1f} s | {inside:.2f} | {flops / inside / 1e9:.0f} |\n"
        f"| the same layers alone, best data type | {alone:.2f} | {flops / alone / 1e9:.0f} |\n\n"
        f"The run reaches {alone / inside:.0%} of the rate of the layers alone; "
        f"{1 - inside / total:.0%} of its time is not convolution."
    )


def _clock(layer: nn.Conv2d, seconds: dict[Shape, float], calls: dict[Shape, int]) -> None:
    """Measure each call of a layer, on whatever thread."""
    started = threading.local()

    def before(module: nn.Module, given: tuple[Tensor, ...]) -> None:
        started.at = time.perf_counter()

    def after(module: nn.Module, given: tuple[Tensor, ...], out: Tensor) -> None:
        b, _, h, w = given[0].shape
        shape = (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0])
        with _ONE_AT_A_TIME:
            seconds[(*shape, b, h, w)] += time.perf_counter() - started.at
            calls[(*shape, b, h, w)] += 1

    layer.register_forward_pre_hook(before)
    layer.register_forward_hook(after)


def _flops(shape: Shape) -> float:
    """Operations of one call; a multiplication and an addition count as two."""
    c, m, k, stride, b, h, w = shape
    return 2.0 * b * (h // stride) * (w // stride) * c * m * k * k


def _best_seconds(shape: Shape) -> float:
    """One layer by itself, channels last, in the better of the two data types."""
    c, m, k, stride, b, h, w = shape
    best = float("inf")
    kinds = [torch.float32] + [torch.bfloat16] * half_is_fast(torch.device("cpu"))
    for kind in kinds:
        layer = nn.Conv2d(c, m, k, stride, padding=k // 2 if k % 2 else 0)
        layer = layer.to(kind).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        image = torch.zeros(b, c, h, w, dtype=kind).to(memory_format=torch.channels_last)
        with torch.inference_mode():
            for _ in range(4):
                began = time.perf_counter()
                layer(image)
                best = min(best, time.perf_counter() - began)
    return best
