"""`medsr export-bundle` and `medsr export-hub`: a model as others expect it."""

from __future__ import annotations

from pathlib import Path

from medsr.sharing.bundle import BUNDLE_FILES, fill_bundle
from medsr.sharing.hub import HUB_FILES, fill_hub_folder
from medsr.sharing.shared_model import check_folder, shared_model
from medsr.volume.atomic import atomic_folder

__all__ = ["export_bundle", "export_hub"]


def export_bundle(
    name: str, folder: Path, authors: str | None, *, overwrite: bool
) -> tuple[str, ...]:
    """Write a MONAI bundle, completely or not at all.

    Args:
        name: of a bundled model, or a path; see `network.bundled.model_path`.
        folder: to be written.
        authors: who made the model; None for a bundled one.
        overwrite: whether an earlier export may be replaced.

    Returns:
        The files, relative to the folder.

    Raises:
        InputError, Refused, UsageError: the model cannot be shared; see `shared_model`.
        OutputError: the folder is in use or cannot be written.
    """
    check_folder(folder, BUNDLE_FILES, overwrite=overwrite)
    model = shared_model(name, authors)
    with atomic_folder(folder) as content:
        fill_bundle(model, content)
    return BUNDLE_FILES


def export_hub(
    name: str, folder: Path, authors: str | None, *, overwrite: bool
) -> tuple[str, ...]:
    """Write the folder of a model hub, completely or not at all.

    Args:
        name, folder, authors, overwrite: as in `export_bundle`.

    Returns:
        The files, relative to the folder.

    Raises:
        InputError, Refused, UsageError, OutputError: as `export_bundle`.
    """
    check_folder(folder, HUB_FILES, overwrite=overwrite)
    model = shared_model(name, authors)
    with atomic_folder(folder) as content:
        fill_hub_folder(model, content)
    return HUB_FILES
