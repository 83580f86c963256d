"""medsr: super-resolution of MR and CT volumes by a conditional diffusion model.

    from medsr import Enhancer
    Enhancer.from_pretrained("mr-head").enhance("scan.nii.gz")

Research use only, not for diagnosis.
"""

from typing import Any

from medsr.version import __version__

__all__ = ["Enhancer", "__version__"]


def __getattr__(name: str) -> Any:
    """`Enhancer` on demand: it imports torch, which takes seconds."""
    if name == "Enhancer":
        from medsr.restore.enhancer import Enhancer

        return Enhancer
    raise AttributeError(f"module 'medsr' has no attribute '{name}'")
