"""The Docker SDK: for engines on other hosts, which speak TLS or sit behind ssh, and for builds of images."""

from __future__ import annotations

import os
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from docker.api.client import APIClient
from docker.errors import APIError, DockerException, TLSParameterError
from docker.utils import kwargs_from_env
from docker.utils.config import find_config_file
from requests.exceptions import RequestException

from harness.containers.api import RefusedError, said
from harness.containers.endpoint import check_settings
from harness.core.errors import EngineUnavailableError, InfrastructureError, UserError

if TYPE_CHECKING:
    from collections.abc import Iterator

_BAD = 400


def connect(url: str, seconds: float) -> APIClient:
    """The SDK's client for the engine at this address, by the TLS settings of the environment where it is another host.

    Raises EngineUnavailableError, InfrastructureError; UserError for settings that cannot be used.
    """
    check_settings(find_config_file())
    settings: dict[str, Any] = {"base_url": url}
    if urlsplit(url).scheme != "unix":  # a socket of this host has no TLS, whatever the environment says
        try:
            settings = kwargs_from_env({**os.environ, "DOCKER_HOST": url})
        except TLSParameterError as error:
            why = str(error).partition(" TLS configurations should map")[0]
            remedy = "see DOCKER_CERT_PATH and DOCKER_TLS_VERIFY"
            raise UserError(f"the certificates for {url} cannot be used: {why}", remedy=remedy) from error
    doing = "connecting to the container engine"
    try:
        return APIClient(**settings, version="auto", timeout=seconds)
    except APIError as error:
        why = str(error.explanation or error)
        raise InfrastructureError(f"{doing}: the engine refused: {why}", remedy="see the engine's log") from error
    except (DockerException, RequestException, OSError) as error:
        raise EngineUnavailableError(
            f"{doing}: the container engine does not answer",
            remedy="start it (`systemctl start docker`, or `make setup` as root) and try again",
        ) from error


class SdkApi:
    """The engine through the SDK's connection; see `harness.containers.api.Api`."""

    def __init__(self, url: str, seconds: float) -> None:
        """Connect. Raises as `connect`."""
        self._client = connect(url, seconds)
        self._seconds = seconds

    def __call__(self, method: str, path: str, body: object = None, **query: str) -> Any:
        """See `Api`."""
        with _errors():
            url = f"{self._client.base_url}/v{self._client.api_version}{path}"
            answer = self._client.request(method, url, json=body, params=query, timeout=self._seconds)
            if answer.status_code >= _BAD:
                raise RefusedError(answer.status_code, said(answer.content))
            plain = not answer.headers.get("Content-Type", "").startswith("application/json")
            return None if not answer.content else answer.text if plain else answer.json()

    def attach(self, path: str, **query: str) -> Any:
        """See `Api`."""
        with _errors():
            return self._client.attach_socket(path.split("/")[2], params=query)

    def close(self) -> None:
        """Close the connection."""
        self._client.close()


@contextmanager
def _errors() -> Iterator[None]:
    """The SDK's errors, as the requests over a socket have them."""
    try:
        yield
    except APIError as error:
        status = error.response.status_code if error.response is not None else 500
        raise RefusedError(status, str(error.explanation or error)) from error
    except DockerException as error:
        raise OSError(str(error)) from error
