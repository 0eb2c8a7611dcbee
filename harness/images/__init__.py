"""The sandbox image: made from a lock and a base without network, named by the digest of its inputs.

Importing this package costs the standard library alone; the Docker SDK is loaded by a build.
"""

from __future__ import annotations

from harness.images.refs import ImageRef, current, current_tag

__all__ = ["ImageRef", "current", "current_tag"]
