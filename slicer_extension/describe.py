"""Makes MedsrEnhance.xml, which 3D Slicer reads, from the options of medsr.

python slicer_extension/describe.py writes it; a test compares it with the options.
"""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree as tree

from medsr.restore.options import settings_of
from medsr.version import __version__

PAGE = Path(__file__).parent / "MedsrEnhance" / "MedsrEnhance.xml"

DESCRIPTION = (
    "Estimates the thin slices that a thick-slice MR or CT scan did not measure, with a "
    "conditional diffusion model. Research use only, not for diagnosis."
)

#: Field of `Options` -> (its label, the step of a number), in two groups.
SHOWN = {
    "modality": ("Modality", None),
    "slice_thickness_mm": ("Slice thickness (mm)", 0.1),
    "spacing_mm": ("Spacing of the result (mm)", 0.1),
    "consistency": ("Data consistency", None),
    "sample": ("Draw a sample", None),
}
ADVANCED = {
    "seed": ("Seed of a sample", 1),
    "model": ("Model", None),
    "force": ("Enhance in spite of doubts", None),
}

#: The widest value that the panel offers, mm.
MOST_MM = 20


def main() -> None:
    """Write the description."""
    PAGE.write_text(description(), encoding="utf-8")


def description() -> str:
    """The XML: what the module is, its volumes, options and results."""
    root = tree.Element("executable")
    for name, text in (
        ("category", "Filtering"),
        ("title", "medsr: thin slices from thick ones"),
        ("description", DESCRIPTION),
        ("version", __version__),
        ("documentation-url", "https://example.org/medsr/docs/how-to/slicer.md"),
        ("license", "Apache-2.0"),
        ("contributor", "The medsr authors"),
    ):
        tree.SubElement(root, name).text = text
    volumes = _group(root, "Volumes", "What is read and written")
    _image(volumes, "scan", "input", "Thick-slice volume", "The measured volume.", index=0)
    _image(volumes, "enhanced", "output", "Enhanced volume", "The volume to create.", index=1)
    shown = _group(root, "Options", "How the volume is enhanced")
    for name, (label, step) in SHOWN.items():
        _option(shown, name, label, step)
    advanced = _group(root, "Advanced", "Rarely needed", advanced="true")
    for name, (label, step) in ADVANCED.items():
        _option(advanced, name, label, step)
    half = "Half-width of a calibrated 90 % interval, in the unit of the volume."
    _image(advanced, "interval", "output", "90 % interval", half)
    command = "Path of the command medsr, if it is not in Slicer's Python and not in PATH."
    _parameter(advanced, "string", "command", "medsr command", command, default="")
    results = _group(root, "Result", "What was done, and what to know about it")
    for name, label in (("summary", "Summary"), ("remarks", "Remarks")):
        _result(results, name, label)
    tree.indent(root, "  ")
    return f'<?xml version="1.0" encoding="utf-8"?>\n{tree.tostring(root, encoding="unicode")}\n'


def _group(root: tree.Element, label: str, text: str, **attributes: str) -> tree.Element:
    group = tree.SubElement(root, "parameters", attributes)
    tree.SubElement(group, "label").text = label
    tree.SubElement(group, "description").text = text
    return group


def _parameter(
    group: tree.Element,
    kind: str,
    name: str,
    label: str,
    text: str,
    *,
    default: str | None = None,
    index: int | None = None,
) -> tree.Element:
    made = tree.SubElement(group, kind)
    tree.SubElement(made, "name").text = name
    if index is None:
        tree.SubElement(made, "longflag").text = name
    else:
        tree.SubElement(made, "index").text = str(index)
    tree.SubElement(made, "description").text = text
    tree.SubElement(made, "label").text = label
    if default is not None:
        tree.SubElement(made, "default").text = default
    return made


def _image(
    group: tree.Element, name: str, channel: str, label: str, text: str, index: int | None = None
) -> None:
    made = _parameter(group, "image", name, label, text, index=index)
    made.attrib |= {"type": "scalar", "fileExtensions": ".nii.gz"}
    tree.SubElement(made, "channel").text = channel


def _option(group: tree.Element, name: str, label: str, step: float | None) -> None:
    """An option of the enhancement, with its help, choices and range."""
    field, setting = settings_of()[name]
    text = setting.help.replace("`", "")
    if setting.choices is not None:
        words = [choice.value.lower() for choice in setting.choices]
        words = words if field.default is not None else ["automatic", *words]
        default = words[0] if field.default is None else field.default.value
        made = _parameter(group, "string-enumeration", name, label, text, default=default)
        for word in words:
            tree.SubElement(made, "element").text = word
    elif isinstance(field.default, bool):
        _parameter(group, "boolean", name, label, text, default="false")
    elif step is None:
        _parameter(group, "string", name, label, text, default="")
    else:
        whole = isinstance(field.default, int)
        more = text if whole else f"{text} 0 leaves the choice to medsr."
        kind = "integer" if whole else "double"
        made = _parameter(group, kind, name, label, more, default="0")
        limits = tree.SubElement(made, "constraints")
        tree.SubElement(limits, "minimum").text = "0"
        tree.SubElement(limits, "maximum").text = "1000000" if whole else str(MOST_MM)
        tree.SubElement(limits, "step").text = f"{step:g}"


def _result(group: tree.Element, name: str, label: str) -> None:
    """A text that the module returns: neither flag nor index, so Slicer only shows it."""
    made = tree.SubElement(group, "string")
    for tag, text in (
        ("name", name),
        ("description", "Written by the module."),
        ("label", label),
        ("default", "-"),
        ("channel", "output"),
    ):
        tree.SubElement(made, tag).text = text


if __name__ == "__main__":
    main()
