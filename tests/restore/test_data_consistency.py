"""No voxel darker than air, and the scan reproduced as promised; or words that say why not."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.acquisition.resample import acquire
from medsr.remarks import Meaning
from medsr.restore.choices import Consistency
from medsr.restore.data_consistency import TOLERANCE, DataConsistency, remark_on_residual
from tests.conftest import smooth_head

SAME = AxisSampling(24, 1.0, 24, 1.0)
THICK = AxisSampling(48, 1.0, 12, 4.0, 4.0)
BY_LINE = Acquisition((SAME, SAME, THICK))
IN_PLANE_TOO = Acquisition((AxisSampling(24, 1.0, 16, 1.5, 1.5), SAME, THICK))


def head() -> torch.Tensor:
    return torch.from_numpy(smooth_head((24, 24, 48))) / 130


def sharpened(x: torch.Tensor) -> torch.Tensor:
    """An image that overshoots at its edges, with noise in the air around it."""
    blurred = torch.nn.functional.avg_pool3d(x[None, None], 3, 1, 1)[0, 0]
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    return 1.5 * x - 0.5 * blurred + 0.01 * noise


def consistent(
    acquisition: Acquisition, mode: Consistency, scan: torch.Tensor | None = None
) -> tuple[DataConsistency, torch.Tensor]:
    scan = acquire(head(), acquisition) if scan is None else scan
    consistency = DataConsistency.of(scan, acquisition, noise=0.0, floor=0.0, mode=mode)
    return consistency, consistency.apply(sharpened(head()))


def test_without_the_floor_the_projection_goes_below_air() -> None:
    consistency, _ = consistent(BY_LINE, Consistency.EXACT)
    projected = consistency.projector.project(sharpened(head()), consistency.scan)
    assert float((projected < -1e-3).float().mean()) > 0.05


@pytest.mark.parametrize("mode", Consistency)
@pytest.mark.parametrize("acquisition", [BY_LINE, IN_PLANE_TOO], ids=["lines", "in-plane too"])
def test_no_voxel_is_darker_than_air(acquisition: Acquisition, mode: Consistency) -> None:
    _, image = consistent(acquisition, mode)
    assert float(image.min()) >= 0.0


def test_every_measured_voxel_is_within_the_tolerance() -> None:
    consistency, image = consistent(BY_LINE, Consistency.NOISE)
    assert consistency.residual(image).largest < TOLERANCE
    assert remark_on_residual(consistency, consistency.residual(image)) is None


def test_exact_is_exact_but_for_the_edge_of_the_head() -> None:
    consistency, image = consistent(BY_LINE, Consistency.EXACT)
    error = (acquire(image, BY_LINE) - consistency.scan).abs().amax(dim=2)
    assert float(error.max()) < TOLERANCE
    assert float((error < 1e-5).float().mean()) > 0.6


def test_what_cannot_be_reproduced_is_put_in_words() -> None:
    scan = acquire(head(), BY_LINE)
    scan[:, :, 6:] = 0.0  # cut off in the middle of the head
    consistency, image = consistent(BY_LINE, Consistency.NOISE, scan)
    residual = consistency.residual(image)
    assert float(image.min()) >= 0.0
    assert residual.largest > TOLERANCE
    remark = remark_on_residual(consistency, residual)
    assert remark is not None
    assert "not reproduced within 0.5 %" in remark.text
    assert "set to zero" in remark.text
    assert remark.meaning is Meaning.DOUBT
    few = remark_on_residual(consistency, replace(residual, share_beyond=1e-6))
    assert few is not None
    assert few.meaning is Meaning.NOTE


def test_the_residual_does_not_depend_on_the_chunks() -> None:
    consistency, image = consistent(BY_LINE, Consistency.NOISE)
    every = slice(None)
    halves = [(slice(0, 10), every, every), (slice(10, 24), every, every)]
    whole, parts = consistency.residual(image), consistency.residual(image, halves)
    assert whole.largest == parts.largest
    assert whole.rms == pytest.approx(parts.rms)
