"""Reports: one `CheckReport`, written for people and for machines.

Everything that a candidate wrote or printed is hostile in every format; `sanitize` is the one place that
says how it is made harmless. Nothing in here changes the exit code.
"""

from harness.core.files import save
from harness.report.formats import Format, parse_report_option, write

__all__ = ["Format", "parse_report_option", "save", "write"]
