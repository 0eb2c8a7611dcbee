"""`python -m bench.gpu.smaller FOLDER`: make the wheels in a folder smaller, for what may be carried to a machine.

Headers, tests and the libraries of pyarrow's that nothing here imports go; all is packed with LZMA, which pip reads.
"""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

_UNUSED = re.compile(r"pyarrow/((tests|include|src)/|.*(flight|s3)|libarrow_python\.so(\.2600\.1\.0)?$)|pandas/tests/")


def main(folder: Path) -> None:
    """Pack each wheel anew, in its place."""
    for wheel in folder.glob("*.whl"):
        packed = wheel.with_suffix(".half")
        with zipfile.ZipFile(wheel) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_LZMA) as new:
            for entry in old.infolist():
                if not _UNUSED.match(entry.filename):
                    new.writestr(entry.filename, old.read(entry))
        packed.replace(wheel)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
