"""The folder that a model hub expects (Hugging Face): one model, its card, its licence.

`Enhancer.from_pretrained(FOLDER)` reads it back: `model.safetensors` and `config.json` are the
bytes of the weights and of the model card.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from medsr.network.checkpoint import HUB_CARD, HUB_WEIGHTS, ModelCard
from medsr.sharing.shared_model import SharedModel, licence_text, results_table

__all__ = ["HUB_FILES", "fill_hub_folder"]

#: All files of such a folder.
HUB_FILES = ("LICENSE", "README.md", HUB_CARD, HUB_WEIGHTS)

#: Licences that the hub knows, by SPDX identifier; it spells them in lower case.
HUB_LICENCES = frozenset(
    {
        *("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC-BY-4.0", "CC-BY-NC-4.0"),
        *("CC-BY-NC-SA-4.0", "CC-BY-SA-4.0", "CC0-1.0", "MIT", "PDDL"),
    }
)


def fill_hub_folder(model: SharedModel, folder: Path) -> None:
    """Write the files of `HUB_FILES` into an empty folder.

    Args:
        model: to share.
        folder: exists and is empty.

    Raises:
        OSError: the disk is full or cannot be written.
    """
    shutil.copyfile(model.weights, folder / HUB_WEIGHTS)
    (folder / HUB_CARD).write_bytes(model.card_bytes)
    (folder / "LICENSE").write_text(licence_text(model), encoding="utf-8", newline="\n")
    (folder / "README.md").write_text(_readme(model), encoding="utf-8", newline="\n")


def _readme(model: SharedModel) -> str:
    card = model.card
    lines = [
        *_header(card),
        "",
        f"# {card.name}",
        "",
        f"Super-resolution of thick-slice {card.modality} scans with "
        "medsr, a conditional diffusion model in Python.",
        "",
        f"{card.description}. {card.use}",
        "",
        "## Use",
        "",
        "```python",
        "import medsr",
        "",
        'enhancer = medsr.Enhancer.from_pretrained("FOLDER")  # this folder, downloaded',
        'enhancer.enhance("scan.nii.gz").volume.save("enhanced.nii.gz")',
        "```",
        "",
        "The same on the command line: `medsr enhance scan.nii.gz -o enhanced.nii.gz --model "
        "FOLDER`. A DICOM series works, too.",
        *_section("Results", results_table(card)),
        *_section("Limits", [f"- {limit}" for limit in card.limits]),
        *_section("Training data", _data(card)),
        *_section("Licence", [f"{card.licence}, see LICENSE. Copyright (c) {model.authors}."]),
    ]
    return "\n".join(lines) + "\n"


def _header(card: ModelCard) -> list[str]:
    """The YAML that a hub reads; a text of JSON is one of YAML, too."""
    known = card.licence in HUB_LICENCES
    tags = ["medical", "super-resolution", "diffusion", "mri" if card.modality == "MR" else "ct"]
    return [
        "---",
        f"license: {card.licence.lower() if known else 'other'}",
        *([] if known else [f"license_name: {json.dumps(card.licence)}", "license_link: LICENSE"]),
        "library_name: medsr",
        "pipeline_tag: image-to-image",
        "tags:",
        *(f"- {tag}" for tag in tags),
        "---",
    ]


def _section(title: str, lines: list[str]) -> list[str]:
    """A section of Markdown; nothing where there is nothing to say."""
    return ["", f"## {title}", "", *lines] if lines else []


def _data(card: ModelCard) -> list[str]:
    return [
        f"{card.people} subjects. The weights contain no scan.",
        *([""] if card.attributions else []),
        *(f"- {attribution}" for attribution in card.attributions),
    ]
