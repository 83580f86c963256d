"""Between the evaluations of a sampler nothing passes between the host and the device."""

import torch

from medsr.diffusion.samplers import multistep
from medsr.diffusion.schedule import SIGMA_MAX, sampling_sigmas
from medsr.restore.running import Running
from medsr.restore.slice_denoiser import Network, slice_denoiser
from medsr.restore.upsampled import STATE, Upsampled
from tests.network.test_unet_and_checkpoint import small_denoiser
from tests.restore.test_slice_denoiser import ACQUISITION, X, Y, Z

#: torch's device of tensors that have no values: what copies one of them to the host, or mixes it
#: with a tensor of the host, fails here as it would be slow or fail on a GPU.
META = torch.device("meta")


def test_sampling_stays_on_the_device():
    upsampled = Upsampled.of(torch.rand(X, Y, Z // 4), ACQUISITION, 1.0)
    running = Running(META, torch.bfloat16, voxels_per_call=1000)
    network = Network(small_denoiser().to(META), 1, running)
    calls = []
    denoise = slice_denoiser(network, upsampled, 0.0, calls.append, in_turn=True)
    start = torch.zeros(X, Y, Z, dtype=STATE, device=META)
    first = denoise(start, SIGMA_MAX, 0)
    residual = multistep(denoise, first, start, sampling_sigmas(3))
    assert calls.count(1.0) == 3
    assert calls[0] < calls[1] < 1.0  # also within an evaluation
    assert (residual.device, residual.dtype, residual.shape) == (META, STATE, start.shape)
