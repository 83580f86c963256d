"""Lines that give their scan and stay within bounds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize

from medsr.acquisition.bounded import nearest_within
from medsr.acquisition.profiles import box_matrix, gaussian_matrix

MATRICES = {
    "gaussian": gaussian_matrix(40, 1.0, 10, 4.0, 4.0),
    "gap": gaussian_matrix(40, 1.0, 10, 4.0, 2.0),
    "box": box_matrix(40, 1.0, 10, 4.0, 4.0),
}


def lines(matrix: np.ndarray) -> tuple[torch.Tensor, torch.Tensor]:
    """Images that dip below zero, and scans of images that do not."""
    rng = np.random.default_rng(0)
    truth = np.clip(rng.normal(0.3, 0.4, (50, 40)), 0, 1)
    guess = truth + rng.normal(0, 0.2, truth.shape)
    return torch.from_numpy(guess).float(), torch.from_numpy(truth @ matrix.T).float()


@pytest.mark.parametrize("name", MATRICES)
def test_both_constraints_are_met(name: str) -> None:
    matrix = MATRICES[name]
    x, y = lines(matrix)
    z = nearest_within(x, y, matrix, bounds=(0.0, 2.0), tolerance=1e-3)
    assert float(x.min()) < -0.1
    assert 0.0 <= float(z.min()) <= float(z.max()) <= 2.0
    assert float((y - z @ torch.from_numpy(matrix).float().T).abs().max()) < 1.1e-3


def test_the_line_is_the_nearest() -> None:
    """As a general solver of bounded problems finds it, which weighs the scan strongly."""
    matrix = MATRICES["gaussian"]
    x, y = lines(matrix)
    z = nearest_within(x[:3], y[:3], matrix, bounds=(0.0, 2.0), tolerance=1e-7)
    for k in range(3):
        weighted = np.vstack([1e3 * matrix, np.eye(40)])
        target = np.concatenate([1e3 * y[k].numpy(), x[k].numpy()])
        best = optimize.lsq_linear(weighted, target, bounds=(0.0, 2.0), tol=1e-12).x
        assert np.abs(z[k].numpy() - best).max() < 2e-3


def test_a_scan_that_no_image_gives_comes_as_near_as_may_be() -> None:
    """Touching Gaussian slices cannot be bright beside hard zeros."""
    matrix = MATRICES["gaussian"]
    y = torch.zeros(1, 10)
    y[0, 5] = 1.0
    x = y @ torch.from_numpy(np.linalg.pinv(matrix).T).float()
    z = nearest_within(x, y, matrix, bounds=(0.0, 3.0), tolerance=1e-4)
    weights = torch.from_numpy(matrix).float()
    residual = (y - z @ weights.T).norm()
    least = optimize.nnls(matrix, y[0].double().numpy())[1]
    assert float(x.min()) < -0.2
    assert float(z.min()) >= 0.0
    assert least > 0.01
    assert float(residual) < 2 * least


def test_lines_do_not_influence_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = MATRICES["gaussian"]
    x, y = lines(matrix)
    together = nearest_within(x, y, matrix, bounds=(0.0, 2.0), tolerance=1e-3)
    monkeypatch.setattr("medsr.acquisition.bounded.HESSIANS", 700)
    assert torch.allclose(
        together, nearest_within(x, y, matrix, bounds=(0.0, 2.0), tolerance=1e-3), atol=1e-6
    )
