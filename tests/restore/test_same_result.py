"""Precision, threads and device are a matter of speed: the result stays the same."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch

from medsr.acquisition.acquisition import for_scan
from medsr.acquisition.simulate import degrade, plan_degradation
from medsr.metrics.fidelity import psnr
from medsr.network.int8 import int8_is_possible
from medsr.restore.enhancer import Enhancer
from medsr.restore.options import Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.volume.nifti import read_nifti

REFERENCE = Path(__file__).parents[2] / "sample_data" / "head_T1w_reference.nii.gz"


@pytest.fixture(scope="module")
def block():
    """The middle of the sample head, and its thick slices."""
    head = read_nifti(REFERENCE)
    middle = tuple(slice(n // 2 - 32, n // 2 + 32) for n in head.shape)
    fine = dataclasses.replace(head, voxels=np.ascontiguousarray(head.voxels[middle]))
    spacing = [float(mm) for mm in fine.spacing_mm]
    plan = plan_degradation(
        fine.shape,
        spacing,
        slice_axis=2,
        slice_spacing_mm=4 * spacing[2],
        slice_thickness_mm=None,
        profile="gaussian",
    )
    return fine, degrade(fine, plan, slice_axis=2)


@pytest.fixture(scope="module")
def enhancer():
    return Enhancer.from_pretrained("mr-head", device="cpu")


def run(block, enhancer, running, steps):
    fine, low = block
    plan = for_scan(low, [float(mm) for mm in fine.spacing_mm])
    plan = Plan(low, plan, Options(steps=steps))
    out = restore(plan, enhancer.denoiser, enhancer.card, running)
    return np.asarray(out.volume.voxels)


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize(
    ("fast", "most_db"), [(Running(), 0.02), (Running(dtype=torch.float32, integers=True), 0.05)]
)
def test_fast_numbers_cost_hardly_anything(block, enhancer, fast, most_db, steps):
    if fast.integers and not int8_is_possible():
        pytest.skip("this processor or PyTorch has no int8 convolutions")
    fine = np.asarray(block[0].voxels)
    exact, quick = (
        run(block, enhancer, running, steps) for running in (Running(dtype=torch.float32), fast)
    )
    assert np.abs(exact - quick).max() > 0  # they are others
    found = [psnr(fine, image, data_range=float(fine.max())) for image in (exact, quick)]
    assert abs(found[0] - found[1]) < most_db


def test_threads_do_not_matter(block, enhancer):
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        one = run(block, enhancer, Running(dtype=torch.float32), 3)
        torch.set_num_threads(2)
        two = run(block, enhancer, Running(dtype=torch.float32), 3)
    finally:
        torch.set_num_threads(before)
    assert np.abs(one - two).max() < 1e-3 * np.ptp(one)
