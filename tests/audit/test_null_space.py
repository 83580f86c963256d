"""What the scanner could not measure, and what it did."""

from __future__ import annotations

import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.projection import Projector
from medsr.acquisition.resample import acquire, acquire_adjoint, upsample
from medsr.audit.null_space import local_energy, null_space_component, null_space_share

SAME = AxisSampling(16, 1.0, 16, 1.0)
ACQUISITION = Acquisition((SAME, SAME, AxisSampling(32, 1.0, 8, 4.0, 4.0, "gaussian")))


def image() -> torch.Tensor:
    return torch.rand(ACQUISITION.fine_shape, generator=torch.Generator().manual_seed(0))


def test_the_scanner_does_not_measure_the_null_space_component() -> None:
    part = null_space_component(image(), Projector.of(ACQUISITION))
    assert float(acquire(part, ACQUISITION).abs().max()) < 1e-5
    assert float(part.square().mean()) > 0.01


def test_the_range_of_the_adjoint_is_measured_in_full() -> None:
    low = torch.rand(16, 16, 8, generator=torch.Generator().manual_seed(1))
    assert null_space_share([acquire_adjoint(low, ACQUISITION)], Projector.of(ACQUISITION)) < 1e-5


def test_detail_raises_the_share_over_that_of_interpolation() -> None:
    projector = Projector.of(ACQUISITION)
    x = image()
    smooth = upsample(acquire(x, ACQUISITION), ACQUISITION)
    assert null_space_share([x], projector) > 2 * null_space_share([smooth], projector)


def test_local_energy_of_a_constant_is_that_constant() -> None:
    energy = local_energy(torch.full((9, 9, 9), -3.0))
    assert energy.numpy() == pytest.approx(3.0)


@pytest.mark.parametrize("shape", [(3, 8, 2), (4, 4, 4), (9, 2, 7)])
def test_local_energy_of_a_scan_that_is_smaller_than_the_cube(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(1))
    energy = local_energy(image)
    assert energy.shape == image.shape
    for place in ((0, 0, 0), (1, 1, 1), tuple(n - 1 for n in shape)):
        around = tuple(slice(max(0, k - 2), k + 3) for k in place)
        wanted = image[around].square().mean().sqrt()
        torch.testing.assert_close(energy[place], wanted)
