"""Removals that an engine was told of and has not confirmed yet: nobody waits for a container to end.

An engine carries out what it was told, also for one who has gone. Its answer is taken all the same where there is time
for it, since a removal that failed is to be tried again.
"""

from __future__ import annotations

import contextlib
import http.client
import select
import threading

from harness.containers.api import RefusedError, answer_of

_FINE = (http.client.NOT_FOUND, http.client.CONFLICT)  # gone; being removed


class Removals:
    """What is under way, by its connections. May be shared by threads."""

    def __init__(self) -> None:
        """Nothing is under way."""
        self._sent: list[tuple[str, http.client.HTTPConnection]] = []
        self._lock = threading.Lock()

    def add(self, container: str, sent: http.client.HTTPConnection) -> None:
        """Keep the connection that the answer comes by."""
        with self._lock:
            self._sent.append((container, sent))

    def failed(self, *, wait: bool = True) -> list[str]:
        """Take the answers, all or those that are there, and give the containers that may still be there."""
        return [container for container, sent in self._taken(answered=not wait) if not _is_removed(sent)]

    def forget(self) -> None:
        """Wait for no answer."""
        for _, sent in self._taken():
            sent.close()

    def _taken(self, *, answered: bool = False) -> list[tuple[str, http.client.HTTPConnection]]:
        with self._lock:
            here = set(select.select([sent.sock for _, sent in self._sent], [], [], 0.0)[0]) if answered else set()
            taken = [one for one in self._sent if not answered or one[1].sock in here]
            self._sent = [one for one in self._sent if one not in taken]
        return taken


def _is_removed(sent: http.client.HTTPConnection) -> bool:
    with contextlib.closing(sent):
        try:
            answer_of(sent)
        except RefusedError as error:
            return error.status in _FINE
        except (http.client.HTTPException, OSError, ValueError):
            return False
    return True
