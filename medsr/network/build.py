"""The networks that a configuration can name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from medsr.acquisition.guided import GUIDE_CHANNELS
from medsr.diffusion.denoiser import Denoiser
from medsr.errors import UsageError
from medsr.extras import need
from medsr.network.unet import UNet

__all__ = ["build_denoiser", "build_network"]


class MonaiUNet(nn.Module):
    """MONAI's `DiffusionModelUNet` with medsr's network signature.

    The acquisition's numbers enter as constant channels, since its embedding takes time alone.
    """

    def __init__(self, *, channels: int, features: int, widths: tuple[int, ...]) -> None:
        super().__init__()
        need("einops", "train", "A network of kind monai")
        from monai.networks.nets import DiffusionModelUNet  # 5 s; not needed for the default

        self.multiple = 2 ** (len(widths) - 1)
        self.inner = DiffusionModelUNet(
            spatial_dims=2,
            in_channels=channels + features,
            out_channels=1,
            channels=widths,
            attention_levels=(False,) * len(widths),
            num_res_blocks=1,
            norm_num_groups=8,
        )

    def forward(self, image: Tensor, c_noise: Tensor, features: Tensor) -> Tensor:
        """[B, channels, H, W], [B], [B, features] -> [B, 1, H, W]; any H and W."""
        height, width = image.shape[-2:]
        maps = features[:, :, None, None].expand(-1, -1, height, width)
        image = torch.cat([image, maps.to(image.dtype)], dim=1)
        pad = (0, -width % self.multiple, 0, -height % self.multiple)
        if any(pad):
            image = nn.functional.pad(image, pad, mode="replicate")
        out: Tensor = self.inner(image, timesteps=1000 * c_noise)
        return out[..., :height, :width]

    def at(
        self,
        c_noise: Tensor,
        features: Tensor,
        dtype: torch.dtype,
        examples: Tensor | None = None,
    ) -> Callable[[Tensor], Tensor]:
        """This network for one noise level [1] and acquisition [1, features], in a data type.

        Raises:
            UsageError: examples are given, for 8-bit integers.
        """
        if examples is not None:
            raise UsageError("A network of kind monai does not run in int8; use float32.")

        def network(image: Tensor) -> Tensor:
            count = len(image)
            with torch.autocast(image.device.type, dtype, enabled=dtype != torch.float32):
                out: Tensor = self(image, c_noise.expand(count), features.expand(count, -1))
            return out

        return network


def build_denoiser(settings: Mapping[str, Any], features: int) -> Denoiser:
    """The denoiser of a configuration or of a model card, with one network or two.

    Args:
        settings: the fields of `config.NetworkConfig`; without `mean_network`, one network.
        features: length of the acquisition vector.

    Raises:
        UsageError: an unknown kind.
    """
    scaled, guided = bool(settings.get("scale_head")), bool(settings.get("guides"))
    if not settings.get("mean_network"):
        return Denoiser(build_network(settings, features, scale_head=scaled, guided=guided))
    own = build_network(settings, features, scale_head=scaled, guided=guided)
    return Denoiser(build_network(settings, features), own)


def build_network(
    settings: Mapping[str, Any],
    features: int,
    *,
    scale_head: bool = False,
    guided: bool = False,
) -> nn.Module:
    """The network of a configuration or of a model card.

    Args:
        settings: the fields of `config.NetworkConfig`.
        features: length of the acquisition vector.
        scale_head: whether it also gives the scale of its error.
        guided: whether it takes guides.

    Raises:
        UsageError: an unknown kind, or a kind that has no scale head or takes no guides.
    """
    check_settings(settings, features)
    channels = 1 + 1 + 2 * int(settings["context"]) + 2  # noisy, upsampled, neighbours, phase
    widths = tuple(int(n) for n in settings["widths"])
    if settings["kind"] == "monai":
        if scale_head:
            raise UsageError("A network of kind monai has no scale head; leave out scale_head.")
        if guided:
            raise UsageError("A network of kind monai takes no guides; leave out guides.")
        return MonaiUNet(channels=channels, features=features, widths=widths)
    return UNet(
        channels=channels,
        features=features,
        widths=widths,
        blocks=settings["blocks"],
        strides=settings["strides"],
        fold=settings["fold"],
        embedding=int(settings["embedding"]),
        scale_head=scale_head,
        guides=GUIDE_CHANNELS if guided else 0,
    )


#: Name of a setting of the U-Net -> the largest of its whole numbers; all but `context`, and the
#: axes of a block, are at least 1. Far beyond any network that fits into memory.
LARGEST = {
    "context": 32,
    "widths": 4096,
    "blocks": 32,
    "strides": 16,
    "fold": 16,
    "embedding": 4096,
}

#: Levels of a network, axes of its images, numbers of the acquisition vector, at most.
MAX_LEVELS, MAX_AXES, MAX_FEATURES = 8, 3, 256


def check_settings(settings: Mapping[str, Any], features: int) -> None:
    """Refuse invalid network settings; a card may come from an unknown source.

    Args:
        settings: the fields of `config.NetworkConfig`.
        features: length of the acquisition vector.

    Raises:
        UsageError: an unknown kind, or a setting that is missing or of another kind.
    """
    kind = settings.get("kind")
    if kind not in ("unet", "monai"):
        raise UsageError("Unknown kind of network; choose unet or monai.")
    if not _whole(features, 1, MAX_FEATURES):
        raise UsageError(f"A network takes 1 to {MAX_FEATURES} numbers of the acquisition.")
    needed = ("context", "widths") if kind == "monai" else tuple(LARGEST)
    for name in needed:
        if not _fits(name, settings.get(name)):
            raise UsageError(f"The network's setting '{name}' is missing or unknown.")


def _fits(name: str, value: object) -> bool:
    largest = LARGEST[name]
    if name in ("context", "embedding"):
        return _whole(value, 0 if name == "context" else 1, largest)
    if not isinstance(value, list | tuple) or not 0 <= len(value) <= MAX_LEVELS:
        return False
    if name == "strides":
        return all(_axes(stride, largest) for stride in value)
    if name == "fold":
        return _axes(value, largest)
    return bool(value) and all(_whole(n, 1, largest) for n in value)


def _axes(value: object, largest: int) -> bool:
    """Whether it is one whole number for each axis of an image or a block."""
    return (
        isinstance(value, list | tuple)
        and 2 <= len(value) <= MAX_AXES
        and all(_whole(n, 1, largest) for n in value)
    )


def _whole(value: object, lowest: int, largest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= largest
