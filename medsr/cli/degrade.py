"""Command line of `medsr degrade`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from medsr.cli.interrupt import interruptible
from medsr.cli.machine import json_option, say_json
from medsr.cli.options import WholeNumber

__all__ = ["degrade"]

PATH = click.Path(path_type=Path)


@click.command()
@click.argument("source", metavar="INPUT", type=PATH)
@click.option("-o", "--output", type=PATH, required=True, help="NIfTI file to write.")
@click.option(
    "--slice-spacing",
    "slice_spacing_mm",
    type=float,
    required=True,
    metavar="MM",
    help="Distance between the slices to simulate.",
)
@click.option(
    "--slice-thickness",
    "slice_thickness_mm",
    type=float,
    metavar="MM",
    help="Thickness of the slices.  [default: the slice spacing]",
)
@click.option(
    "--in-plane",
    type=float,
    default=1.0,
    metavar="F",
    help="Make the voxels F times coarser within the slices.  [default: 1]",
)
@click.option(
    "--noise",
    type=float,
    default=0.0,
    metavar="SIGMA",
    help="Standard deviation of the noise to add, in the unit of the scan.  [default: 0]",
)
@click.option(
    "--profile",
    type=click.Choice(["gaussian", "box"]),
    default="gaussian",
    show_default=True,
    help="Slice profile.",
)
@click.option(
    "--axis",
    type=WholeNumber(0, 2),
    metavar="[0|1|2]",
    help="Voxel axis to degrade.  [default: the slice axis]",
)
@click.option(
    "--modality",
    type=click.Choice(["mr", "ct"], case_sensitive=False),
    help="Modality, if the file does not state it.",
)
@click.option(
    "--seed",
    type=WholeNumber(0, 2**62),
    default=0,
    show_default=True,
    metavar="N",
    help="Random seed of the noise.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing output.")
@json_option("what was written and how")
@interruptible("Nothing was written.")
def degrade(
    source: Path,
    output: Path,
    overwrite: bool,
    modality: str | None,
    as_json: bool,
    **words: Any,
) -> None:
    """Simulate a thick-slice scan from a fine one.

    INPUT is an image file or a DICOM series. The sidecar of the output records the simulation.
    """
    from medsr.commands.degrade import Request, facts_of, run
    from medsr.volume.modality import Modality

    known = None if modality is None else Modality(modality.upper())
    request = Request(modality=known, **words)
    low, remarks = run(source, output, request, overwrite=overwrite)
    if as_json:
        shown = {"Output": str(output), "Shape": list(low.shape), "Spacing": list(low.spacing_mm)}
        said = [remark.to_json() for remark in remarks]
        say_json({**shown, **facts_of(low, request), "Remarks": said})
        return
    for remark in remarks:
        click.echo(str(remark), err=True)
    click.echo(f"{' x '.join(str(n) for n in low.shape)} voxels: {output}")
