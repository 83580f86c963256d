"""Pictures and HTML reports of a scan, an evaluation or a batch.

from medsr.report import PageText, ScanImages, compare, scan_page

compare(low, enhanced, reference)  # a matplotlib figure
scan_page(ScanImages(after=enhanced, reference=reference), PageText(title="Head"))  # HTML
"""

from medsr.report.page import PageText, scan_page
from medsr.report.picture import compare
from medsr.report.scans import ScanImages

__all__ = ["PageText", "ScanImages", "compare", "scan_page"]
