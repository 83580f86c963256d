"""A model that is to be shared, and what its card says to a stranger."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from medsr.diffusion.denoiser import Denoiser
from medsr.errors import OutputError, Refused, UsageError
from medsr.network.bundled import bundled_models, model_path
from medsr.network.checkpoint import ModelCard, card_path, load_model
from medsr.words import markdown_text

__all__ = [
    "SharedModel",
    "check_folder",
    "licence_link",
    "licence_text",
    "results_table",
    "scores",
    "shared_model",
]

#: The estimates of a card's quality table that a stranger wants to see, at this factor.
SHOWN, FACTOR = ("cubic", "unsharp, tuned", "medsr, posterior mean"), "4x"
MEASURES = ("psnr_db", "ssim_3d")


@dataclass(frozen=True, eq=False)
class SharedModel:
    """A model with all that it takes to share it.

    Attributes:
        denoiser: the network, in evaluation mode, float32.
        card: the model card; it names a licence.
        weights: the `.safetensors` file.
        authors: who made the model.
    """

    denoiser: Denoiser
    card: ModelCard
    weights: Path
    authors: str

    @property
    def card_bytes(self) -> bytes:
        """The model card as it stands beside the weights."""
        return card_path(self.weights).read_bytes()


def shared_model(name: str, authors: str | None) -> SharedModel:
    """Read a model that is to be shared.

    Args:
        name: of a bundled model, or a path; see `network.bundled.model_path`.
        authors: who made the model; None for a bundled one.

    Raises:
        InputError: there is no such model, or it is damaged.
        Refused: its card names no licence.
        UsageError: no authors are given for a model that does not come with medsr.
    """
    path = model_path(name)
    denoiser, card = load_model(path)
    if not card.licence.strip():
        raise Refused(
            f"{card_path(path).name}: the model card names no licence, and without one nobody "
            "may use the model. Write the licence of the weights into the field 'licence' (for "
            "example CC-BY-4.0), and what the licences of the training data ask for into "
            "'attributions'."
        )
    if authors is None and path not in bundled_models().values():
        raise UsageError(f"{path.name}: add --authors, the people who made this model.")
    return SharedModel(denoiser, card, path, authors or "The medsr authors")


def check_folder(folder: Path, own: Collection[str], *, overwrite: bool) -> None:
    """Refuse a folder that is in use, before any work is done.

    Args:
        folder: to be written.
        own: paths of the files that an export writes, relative to the folder; a folder with
            others is never replaced.
        overwrite: whether an earlier export may be replaced.

    Raises:
        OutputError: it exists, and may not be replaced.
    """
    if not folder.exists():
        return
    if not folder.is_dir():
        raise OutputError(f"{folder.name}: is a file; expected the name of a new folder.")
    found = False
    for path in folder.rglob("*"):
        found = True
        name = path.relative_to(folder).as_posix()
        if _is_leaf(path) and name not in own:
            raise OutputError(
                f"{folder.name}: contains {name}, which no export wrote, so the folder is not "
                "replaced. Choose a new folder."
            )
    if found and not overwrite:
        raise OutputError(f"{folder.name}: already exists; use --overwrite to replace it.")


def _is_leaf(path: Path) -> bool:
    return path.is_symlink() or not path.is_dir() or not any(path.iterdir())


def licence_link(licence: str) -> str | None:
    """Where the text of a licence is, if it is named by an SPDX identifier.

    >>> licence_link("CC-BY-4.0")
    'https://spdx.org/licenses/CC-BY-4.0.html'
    >>> licence_link("ask the authors") is None
    True
    """
    known = licence.isascii() and licence.replace("-", "").replace(".", "").isalnum()
    return f"https://spdx.org/licenses/{licence}.html" if known else None


def licence_text(model: SharedModel) -> str:
    """The LICENSE file: the licence, whom to credit, and the attributions of the data."""
    card, link = model.card, licence_link(model.card.licence)
    lines = [
        f"Licence of the model {card.name}",
        "",
        f"Copyright (c) {model.authors}",
        "",
        f"The weights, the model card and the other files of this folder: {card.licence}",
        *([link] if link else []),
        "",
        f'Credit: "{card.name}, {model.authors}", and the attributions below.',
        "",
        card.use,
        "This says what the model has been tested for. It is not a term of the licence.",
    ]
    if card.attributions:
        lines += ["", "The weights were learned from these scans and contain none of them:", ""]
        lines += [f"- {attribution}" for attribution in card.attributions]
    return "\n".join(lines) + "\n"


def scores(card: ModelCard) -> dict[str, dict[str, dict[str, float]]]:
    """Subject -> method -> PSNR (dB) and SSIM 3-D at four times the slice spacing.

    From the card's quality table; empty where the card has none.
    """
    found = {
        subject: {name: values for name, values in _methods(methods) if name in SHOWN}
        for subject, methods in _subjects(card.results.get("quality"))
    }
    return {subject: methods for subject, methods in found.items() if methods}


def results_table(card: ModelCard) -> list[str]:
    """The scores as lines of Markdown; none where the card has no quality table."""
    found = scores(card)
    if not found:
        return []
    lines = [
        "Whole scans; slices simulated at four times the target spacing; over the foreground.",
        "",
        "| subject | method | PSNR, dB | SSIM 3-D |",
        "|---|---|---|---|",
    ]
    for subject, methods in found.items():
        for name, values in methods.items():
            psnr, ssim = values["psnr_db"], values["ssim_3d"]
            words = f"{markdown_text(subject)} | {markdown_text(name)}"
            lines.append(f"| {words} | {psnr:.2f} | {ssim:.3f} |")
    return lines


def _subjects(quality: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(quality, dict):
        for subject, factors in quality.items():
            if isinstance(factors, dict) and isinstance(factors.get(FACTOR), dict):
                yield subject, factors[FACTOR]


def _methods(methods: dict[str, Any]) -> Iterator[tuple[str, dict[str, float]]]:
    for name, values in methods.items():
        if isinstance(values, dict) and all(_is_number(values.get(key)) for key in MEASURES):
            yield name, {key: float(values[key]) for key in MEASURES}


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
