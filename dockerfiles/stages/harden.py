"""Runs in the build: reduce the base to the interpreter, its standard library and shared libraries.

Covered: every program but Python, every installer, every setuid or setgid bit, manuals and caches; the
user that candidates run as; the two folders that an isolated interpreter (`-I`) must find.
Not covered: which Python modules a candidate may import; that is the policy's business, and the container's.
"""

# ruff: noqa: INP001 - a script of the image build, not a package
from __future__ import annotations

import compileall
import py_compile
import shutil
import stat
import sys
import sysconfig
from pathlib import Path

UID = 65532
UNCHECKED = py_compile.PycInvalidationMode.UNCHECKED_HASH
PROGRAM_FOLDERS = ("bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin", "usr/games")
INSTALLERS = (
    "pip", "pip-*", "setuptools", "setuptools-*", "wheel", "wheel-*", "pkg_resources", "_distutils_hack",
)  # fmt: skip
STDLIB_LEFT_OUT = ("ensurepip", "idlelib", "lib2to3", "pydoc_data", "test", "tkinter", "turtledemo")
LEFT_OUT = (
    "etc/apt", "etc/cron.daily", "etc/dpkg", "etc/init.d", "etc/logrotate.d", "etc/machine-id",
    "root/.cache", "usr/include", "usr/lib/apt", "usr/lib/dpkg", "usr/lib/gcc", "usr/libexec",
    "usr/local/include", "usr/share/doc", "usr/share/info", "usr/share/locale", "usr/share/man",
    "usr/share/perl5", "var/cache", "var/lib/apt", "var/lib/dpkg", "var/log",
)  # fmt: skip
SEARCHED = ("/opt/site-packages", "/opt/harness")


def main() -> None:
    """Take away, then add what the sandbox needs."""
    interpreter = Path(sys.executable).resolve()
    for folder in PROGRAM_FOLDERS:
        _keep_python_only(Path("/") / folder, interpreter)
    for name in LEFT_OUT:
        _remove(Path("/") / name)
    stdlib = Path(sysconfig.get_path("stdlib"))
    for name in STDLIB_LEFT_OUT:
        _remove(stdlib / name)
    for packages in _package_folders():
        for pattern in INSTALLERS:
            for found in packages.glob(pattern):
                _remove(found)
    _clear_privilege_bits()
    _add_user()
    _add_search_path()
    compileall.compile_dir(
        stdlib,
        quiet=2,
        force=True,
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
        workers=1,
    )
    _remove(Path("/build"))


def _keep_python_only(folder: Path, interpreter: Path) -> None:
    """Delete every program that does not lead to the running interpreter."""
    if folder.is_symlink() or not folder.is_dir():  # a merged /bin is a link to /usr/bin
        return
    for entry in folder.iterdir():
        if entry.resolve() != interpreter:
            _remove(entry)
    if not (Path("/usr/bin/python3").exists() or Path("/usr/local/bin/python3").exists()):
        raise SystemExit("the base has no python3 in /usr/bin or /usr/local/bin")


def _package_folders() -> list[Path]:
    folders = {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
    folders |= {Path(entry) for entry in sys.path if entry.endswith("-packages")}
    return sorted(folders)


def _clear_privilege_bits() -> None:
    for path in Path("/").rglob("*"):
        if path.parts[1] in {"proc", "sys", "dev"} or path.is_symlink():
            continue
        mode = path.stat().st_mode
        if stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID):
            path.chmod(stat.S_IMODE(mode) & ~(stat.S_ISUID | stat.S_ISGID))


def _add_user() -> None:
    """Leave two accounts: root, which nothing uses, and the candidate's, with no shell and no home."""
    etc = Path("/etc")
    etc.mkdir(exist_ok=True)
    for name in ("passwd-", "group-", "shadow-", "gshadow-", "shadow", "gshadow"):
        _remove(etc / name)
    (etc / "passwd").write_text(
        f"root:x:0:0:root:/:/nonexistent\nsandbox:x:{UID}:{UID}:sandbox:/tmp:/nonexistent\n", encoding="ascii"
    )
    (etc / "group").write_text(f"root:x:0:\nsandbox:x:{UID}:\n", encoding="ascii")
    for name, mode in (("tmp", 0o1777), ("proc", 0o755), ("sys", 0o755), ("dev", 0o755)):
        folder = Path("/") / name
        if not folder.exists():
            folder.mkdir()
            folder.chmod(mode)


def _add_search_path() -> None:
    """Write a .pth file: `-I` ignores PYTHONPATH and the working directory, and obeys this."""
    folder = Path(sysconfig.get_path("purelib"))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "sandbox.pth").write_text("".join(f"{entry}\n" for entry in SEARCHED), encoding="ascii")


def _remove(path: Path) -> None:
    if path.is_symlink() or path.is_file():
        path.unlink()
    elif path.is_dir():
        shutil.rmtree(path)


if __name__ == "__main__":
    main()
