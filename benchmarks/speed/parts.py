"""Microbenchmarks of the parts of an enhancement, each on one thread, with pytest-benchmark.

    pytest benchmarks/speed/parts.py --benchmark-columns=min,median,rounds
    pytest benchmarks/speed/parts.py --benchmark-autosave    # and later: --benchmark-compare

The convolutions are those of the levels of the bundled networks; everything else is on a head of
96 x 96 x 96 voxels, made here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire, upsample
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.network.int8 import int8_is_possible
from medsr.restore.data_consistency import DataConsistency
from medsr.restore.enhancer import Enhancer
from medsr.restore.slices import condition_slices
from medsr.volume.nifti_write import write_nifti
from medsr.volume.volume import Volume

SIDE, FACTOR = 96, 4
PLANE = AxisSampling(SIDE, 1.0, SIDE, 1.0)
ACQUISITION = Acquisition((PLANE, PLANE, AxisSampling(SIDE, 1.0, SIDE // FACTOR, 4.0, 4.0)))

#: Channels of a level -> its image when 200,000 voxels go through the network at once.
LEVELS = {48: (4, 256, 48), 64: (4, 128, 24), 128: (4, 64, 12)}


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    with torch.inference_mode():
        yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def enhancer() -> Enhancer:
    return Enhancer.from_pretrained("mr-head", device="cpu")


@pytest.fixture(scope="module")
def scan() -> Tensor:
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(1, 1, 12, 12, 6, generator=generator)
    shape = (SIDE, SIDE, SIDE // FACTOR)
    return nn.functional.interpolate(coarse, shape, mode="trilinear")[0, 0]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("width", LEVELS)
def test_convolution(benchmark: Callable[..., Any], width: int, dtype: torch.dtype) -> None:
    count, *sides = LEVELS[width]
    layer = nn.Conv2d(width, width, 3, padding=1).to(dtype)
    image = torch.zeros(count, width, *sides, dtype=dtype)
    layer = layer.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    benchmark(layer, image.to(memory_format=torch.channels_last))


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "int8"])
def test_network(benchmark: Callable[..., Any], enhancer: Enhancer, precision: str) -> None:
    if precision == "int8" and not int8_is_possible():
        pytest.skip("this processor or PyTorch has no int8 convolutions")
    dtype = torch.bfloat16 if precision == "bfloat16" else torch.float32
    channels = 1 + 2 * int(enhancer.card.network["context"]) + 2
    cond = torch.rand(4, channels, 256, 192)
    noisy = torch.zeros_like(cond[:, :1])
    examples = ((noisy, cond),) if precision == "int8" else ()
    given = SIGMA_MAX, torch.zeros(enhancer.card.features), dtype
    benchmark(enhancer.denoiser.at(*given, *examples), noisy, cond.to(dtype))


def test_cutting_slices(benchmark: Callable[..., Any]) -> None:
    stack, phase = torch.rand(64, 256, 192).half(), torch.rand(2, 192)
    benchmark(condition_slices, stack, torch.arange(30, 34), 2, phase, torch.bfloat16)


def test_upsampling(benchmark: Callable[..., Any], scan: Tensor) -> None:
    benchmark(upsample, scan, ACQUISITION)


def test_acquiring(benchmark: Callable[..., Any], scan: Tensor) -> None:
    benchmark(acquire, upsample(scan, ACQUISITION), ACQUISITION)


def test_data_consistency(benchmark: Callable[..., Any], scan: Tensor) -> None:
    measured = DataConsistency.of(scan, ACQUISITION, noise=0.0, floor=0.0, mode="noise")
    image = upsample(scan, ACQUISITION)
    whole = (slice(None),) * 3
    benchmark(lambda: measured.at(whole).apply(image.clone(), measured.ratio(0.0)))


def test_writing(benchmark: Callable[..., Any], scan: Tensor, tmp_path: Any) -> None:
    volume = Volume(upsample(scan, ACQUISITION).numpy(), np.eye(4), modality="MR")
    benchmark(write_nifti, volume, tmp_path / "out.nii.gz", {})
