"""Random contrasts."""

import numpy as np
import torch

from medsr.training.appearance import remapped


def test_curves_begin_at_zero_and_some_turn_round():
    brightness = torch.linspace(0, 1.2, 61)
    curves = [remapped(brightness, np.random.default_rng(k)) for k in range(40)]
    assert all(float(curve[0]) == 0 for curve in curves)
    assert all(float(curve.min()) >= 0 and float(curve.max()) <= 1 for curve in curves)
    falling = [bool((curve.diff() < 0).any()) for curve in curves]
    assert 10 < sum(falling) < 40
