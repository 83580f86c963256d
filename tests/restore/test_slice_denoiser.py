"""Which orientations of the slices an evaluation goes through."""

import numpy as np
import torch

from medsr.acquisition.acquisition import Acquisition, AxisSampling
from medsr.diffusion.schedule import SIGMA_MAX
from medsr.restore.options import Options
from medsr.restore.pipeline import restore
from medsr.restore.plan import Plan
from medsr.restore.running import Running
from medsr.restore.slice_denoiser import Network, slice_denoiser
from medsr.restore.upsampled import Upsampled
from medsr.volume.volume import Volume
from tests.network.test_unet_and_checkpoint import card

X, Y, Z = 16, 32, 24
ACQUISITION = Acquisition(
    (
        AxisSampling(X, 1.0, X, 1.0),
        AxisSampling(Y, 1.0, Y, 1.0),
        AxisSampling(Z, 1.0, Z // 4, 4.0, 4.0),
    )
)


class Spy:
    """A denoiser that notes the height of its slices: Y, then X, for the two orientations."""

    def __init__(self):
        self.heights = []

    def at(self, sigma, features, dtype):
        def denoise(noisy, cond):
            self.heights.append(noisy.shape[2])
            return noisy

        return denoise


def heights(in_turn, evaluations):
    spy = Spy()
    upsampled = Upsampled.of(torch.ones(X, Y, Z // 4), ACQUISITION, 1.0)
    network = Network(spy, 1, Running(dtype=torch.float32, voxels_per_call=10**6))
    denoise = slice_denoiser(network, upsampled, 0.0, lambda share: None, in_turn=in_turn)
    found = []
    for k in evaluations:
        spy.heights.clear()
        denoise(torch.zeros(X, Y, Z), 1.0 if k else SIGMA_MAX, k)
        found.append(sorted(set(spy.heights)))
    return found


def test_quick_leaves_one_orientation_out():
    spies = []
    for quick in (False, True):
        spy = Spy()
        voxels = np.ones((X, Y, Z // 4), dtype=np.float32)
        voxels[:4] = 0.5  # a scan of one value would be refused
        volume = Volume(voxels, np.diag([1.0, 1.0, 4.0, 1.0]), modality="MR")
        plan = Plan(volume, ACQUISITION, Options(steps=1, quick=quick, no_self_check=True))
        restore(plan, spy, card(), Running(dtype=torch.float32))
        spies.append(sorted(set(spy.heights)))
    assert spies == [[X, Y], [Y]]


def test_a_posterior_mean_takes_both():
    assert heights(False, [0]) == [[X, Y]]


def test_steps_take_one_after_the_other_whatever_was_evaluated_before():
    assert heights(True, [0, 1, 2, 1, 2]) == [[Y], [X], [Y], [X], [Y]]


def test_the_scale_is_that_of_both_orientations_averaged():
    class Scaled:
        """Gives each orientation's height as its scale; the mean is 1."""

        def at(self, sigma, features, dtype):
            return lambda noisy, cond: torch.cat(
                [torch.ones_like(noisy), torch.full_like(noisy, noisy.shape[2])], dim=1
            )

    upsampled = Upsampled.of(torch.ones(X, Y, Z // 4), ACQUISITION, 1.0)
    network = Network(Scaled(), 1, Running(dtype=torch.float32, voxels_per_call=10**6))
    denoise = slice_denoiser(network, upsampled, 0.0, lambda share: None, in_turn=False)
    mean, scale = denoise.mean_and_scale()
    assert mean.unique().tolist() == [1.0]
    assert scale.unique().tolist() == [(X + Y) / 2]
    assert denoise(torch.zeros(X, Y, Z), 1.0, 1).shape == (X, Y, Z)
