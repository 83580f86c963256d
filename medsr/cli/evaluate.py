"""The words of `medsr evaluate`; heavy rooms are imported inside, so that `--help` is quick."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["evaluate"]

PATH = click.Path(path_type=Path)


class ManyWords(click.Command):
    """A command whose options `--estimates` and `--names` take all words up to the next option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """`--names a b` becomes `--names a --names b`."""
        spread, option, held = list[str](), "", 0
        for word in args:
            held = 0 if word.startswith("-") else held + 1
            option = option if held else word
            spread += [option] if held > 1 and option in {"--estimates", "--names"} else []
            spread.append(word)
        return super().parse_args(ctx, spread)


@click.command(cls=ManyWords)
@click.option("--reference", type=PATH, help="A scan, or a folder of scans.")
@click.option("--estimate", type=PATH, help="A scan, or a folder of scans.")
@click.option("--estimates", type=PATH, multiple=True, metavar="A B ...", help="Of each method.")
@click.option("--names", multiple=True, metavar="a b ...", help="What to call the estimates.")
@click.option("--pairs", type=PATH, help="CSV: reference, estimate[:NAME], person, low, ...")
@click.option("--low", type=PATH, help="The measured scan: adds interpolation and consistency.")
@click.option("--mask", type=PATH, help="Voxels to compare (non-zero).")
@click.option("--labels", type=PATH, help="Label map of the reference: adds tissue numbers.")
@click.option("-o", "--output", type=PATH, help="JSON to write.")
@click.option("--csv", type=PATH, help="Table of every case to write.")
@click.option("--table", type=PATH, help="Summary to write: .md or .tex.")
@click.option("--picture", type=PATH, help="PNG to write: before, after, reference, difference.")
@click.option("--report", type=PATH, help="HTML page to write; one more for each case.")
@click.option("--json", "as_json", is_flag=True)
def evaluate(
    reference: Path | None,
    estimate: Path | None,
    estimates: tuple[Path, ...],
    names: tuple[str, ...],
    pairs: Path | None,
    low: Path | None,
    mask: Path | None,
    labels: Path | None,
    output: Path | None,
    csv: Path | None,
    table: Path | None,
    picture: Path | None,
    report: Path | None,
    as_json: bool,
) -> None:
    """Compare estimates with their references, beside plain interpolation."""
    from medsr.commands.evaluate import Request, run
    from medsr.evaluation.pairing import labelled

    outcome = run(
        Request(
            reference=reference,
            estimates=labelled([p for p in (estimate, *estimates) if p], names),
            low=low,
            mask=mask,
            labels=labels,
            pairs=pairs,
            output=output,
            csv=csv,
            table=table,
            picture=picture,
            report=report,
        )
    )
    for remark in outcome.remarks:
        click.echo(f"note: {remark}", err=True)
    click.echo(outcome.to_json() if as_json else outcome.to_text(), nl=False)
    outcome.tell_failures()
