"""medsr: super-resolution of MR and CT scans with a conditional diffusion model.

    import medsr

    enhanced = medsr.Enhancer.from_pretrained("mr-head").enhance("scan.nii.gz")
    enhanced.volume.save("enhanced.nii.gz")

Research use only, not for diagnosis.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from medsr.version import __version__

if TYPE_CHECKING:
    from medsr.api import degrade, evaluate, models
    from medsr.report import compare
    from medsr.restore.enhancer import Enhanced, Enhancer
    from medsr.restore.joined import joined
    from medsr.restore.options import Options
    from medsr.volume.formats import read
    from medsr.volume.volume import Volume

__all__ = [
    "Enhanced",
    "Enhancer",
    "Options",
    "Volume",
    "__version__",
    "compare",
    "degrade",
    "evaluate",
    "joined",
    "models",
    "read",
]

#: Where each public name is defined; torch, MONAI and matplotlib are imported when one is used.
_HOMES = {
    "Enhanced": "medsr.restore.enhancer",
    "Enhancer": "medsr.restore.enhancer",
    "Options": "medsr.restore.options",
    "Volume": "medsr.volume.volume",
    "compare": "medsr.report",
    "degrade": "medsr.api",
    "evaluate": "medsr.api",
    "joined": "medsr.restore.joined",
    "models": "medsr.api",
    "read": "medsr.volume.formats",
}


def __getattr__(name: str) -> Any:
    """Import public names on first use, because torch takes seconds to import."""
    if name not in _HOMES:
        raise AttributeError(f"module 'medsr' has no attribute '{name}'")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__
