"""Entry point of the container: `python3 -I -B -m sandbox`.

Covered: nothing but the start. Not covered: see `server`.
"""

from .server import main

if __name__ == "__main__":
    main()
