#!/bin/sh
# What has to be seen on a GPU, in ten minutes at most, on a bare machine (bench/README.md):
#
#   bench/gpu/run.sh --prepare FOLDER        where there is a package index: collect the wheels, and Podman's packages
#   bench/gpu/run.sh --wheels FOLDER [...]   on the machine with the GPU: install nothing but these, and run
#   bench/gpu/run.sh [PART...] [--small] [--out FILE] [--seconds N]    with the packages that are there
#
# PYTHON names the interpreter (python3).
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
here="$root/bench/gpu"
python=${PYTHON:-python3}

if [ "${1:-}" = --prepare ]; then
    mkdir -p "$2"
    folder=$(cd "$2" && pwd)
    # Python 3.12's, each by its name alone: what is not named (torch, transformers, numpy and theirs) is there.
    "$python" -m pip download --quiet --no-deps --only-binary :all: --python-version 3.12 --implementation cp --abi cp312 \
        --abi abi3 --abi none --platform manylinux_2_28_x86_64 --platform manylinux_2_17_x86_64 \
        --platform manylinux2014_x86_64 --platform any --dest "$folder" --requirement "$here/wheels.txt"
    (cd "$root" && "$python" -m bench.gpu.smaller "$folder")
    if command -v apt-get >/dev/null; then
        (cd "$folder" && xargs apt-get download -q <"$here/podman.txt") ||
            echo "Podman's packages are left out: apt-get update first, as root" >&2
    fi
    du -sm "$folder" | awk '{ print $1 " MiB in " $2; exit $1 > 50 }' || { echo "more than may travel with this checkout, whose limit is 64 MiB in all" >&2; exit 1; }
    exit
fi

if [ "${1:-}" = --wheels ]; then
    wheels=$(cd "$2" && pwd)
    shift 2
    scratch=$(mktemp -d)
    trap 'rm -rf "$scratch"' EXIT
    # Beside the packages of the interpreter, whichever environment they lie in, and before them. dill, which datasets
    # stands on, takes a module for a library by the name of this folder.
    "$python" -m pip install --quiet --no-index --no-deps --find-links "$wheels" --target "$scratch/site-packages" "$wheels"/*.whl
    export PYTHONPATH="$scratch/site-packages${PYTHONPATH:+:$PYTHONPATH}"
    for each in "$wheels"/*.deb; do
        if [ -e "$each" ]; then dpkg-deb -x "$each" "$scratch/debian"; fi
    done
    export HARNESS_PODMAN_ROOT="$scratch/debian"
fi

cd "$root"
export PYTHONPATH="$root${PYTHONPATH:+:$PYTHONPATH}" PYTHONDONTWRITEBYTECODE=1
"$python" -m bench.gpu.run "$@"
