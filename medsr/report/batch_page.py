"""The page of a batch: what happened to each scan, failures first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from medsr.remarks import Remark

__all__ = ["PageRow", "batch_page"]

_STYLE = """
body { font: 15px/1.4 system-ui, sans-serif; margin: 2em; color: #222; background: #fff }
table { border-collapse: collapse; width: 100% }
td, th { text-align: left; vertical-align: top; padding: .4em .8em; border-top: 1px solid #ddd }
tr.fault td { background: #fdecea } td.seconds { text-align: right } img { display: block }
small.doubt { background: #fff3cd }
"""


@dataclass(frozen=True)
class PageRow:
    """One scan of the table; `picture` and `page` are relative paths, or "" for none."""

    scan: str
    end: str
    fault: bool
    reason: str
    facts: str
    seconds: float
    picture: str
    page: str = ""
    remarks: tuple[Remark, ...] = ()


def batch_page(rows: Sequence[PageRow], counts: Mapping[str, int]) -> str:
    """HTML of the page; it needs nothing from the network."""
    total = ", ".join(f"{number} {escape(end)}" for end, number in counts.items())
    body = "\n".join(_row(row) for row in rows)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">\n'
        f"<title>medsr batch</title><style>{_STYLE}</style></head><body>\n"
        f"<h1>{len(rows)} scans: {total or 'none found'}</h1>\n"
        "<p>Research use only, not for diagnosis. Pictures: as measured, enhanced.</p>\n"
        "<table><tr><th>scan<th>what happened<th>seconds<th>picture</tr>\n"
        f"{body}\n</table></body></html>\n"
    )


def _row(row: PageRow) -> str:
    picture = ""
    if row.picture:
        picture = f'<img loading="lazy" alt="before and after" src="{quote(row.picture)}">'
    scan = escape(row.scan)
    if row.page:
        scan = f'<a href="{quote(row.page)}">{scan}</a>'
    remarks = "".join(
        f'<br><small class="{remark.meaning}">{escape(str(remark))}</small>'
        for remark in row.remarks
    )
    seconds = f"{row.seconds:.0f}" if row.seconds else ""
    return (
        f'<tr class="{"fault" if row.fault else "fine"}">'
        f"<td>{scan}<br><small>{escape(row.facts)}</small>"
        f"<td><b>{escape(row.end)}</b> {escape(row.reason)}{remarks}"
        f'<td class="seconds">{seconds}<td>{picture}</tr>'
    )
