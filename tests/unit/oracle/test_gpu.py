"""GPU passthrough: what is chosen on which host, and the request that goes to the engine for it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from fake_engine import FakeEngine

from harness.checks import checker
from harness.checks.checker import Checker
from harness.checks.options import Options
from harness.containers.devices import GpuChoice, choose, engine_method, host_gpus
from harness.containers.engine import Engine
from harness.containers.request import Recipe, container_request
from harness.core.errors import InfrastructureError, UserError
from harness.core.limits import Limits
from harness.core.profiles import load
from harness.images import ImageRef

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

CDI = {"CDISpecDirs": ["/etc/cdi", "/var/run/cdi"]}
TOOLKIT = {"Runtimes": {"runc": {}, "nvidia": {"path": "nvidia-container-runtime"}}}
PLAIN = {"Runtimes": {"runc": {"path": "runc"}}}
BOTH = {**CDI, **TOOLKIT}


@pytest.fixture
def host(tmp_path: Path) -> Path:
    """A root folder with devices 0 and 2 and a CDI specification."""
    (tmp_path / "dev").mkdir()
    for name in ("nvidia0", "nvidia2", "nvidiactl", "nvidia-uvm", "null"):
        (tmp_path / "dev" / name).touch()
    (tmp_path / "etc/cdi").mkdir(parents=True)
    (tmp_path / "etc/cdi/nvidia.yaml").write_text("cdiVersion: 0.6.0\nkind: nvidia.com/gpu\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A root folder without a GPU."""
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/null").touch()
    return tmp_path


def test_devices_are_read_from_their_files(host: Path) -> None:
    assert host_gpus(host) == (0, 2)


def test_a_host_without_devices(bare: Path) -> None:
    assert host_gpus(bare) == ()
    assert choose("auto", BOTH, bare) is None


@pytest.mark.parametrize(
    ("info", "method"),
    [
        (CDI, "cdi"),
        (TOOLKIT, "gpus"),
        (BOTH, "cdi"),
        (PLAIN, None),
        ({}, None),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "nvidia.com/gpu=0"}]}, "cdi"),
        ({"DiscoveredDevices": [{"Source": "cdi", "ID": "vendor.com/nic=0"}]}, None),
        ({"CDISpecDirs": ["/nowhere"], **TOOLKIT}, "gpus"),
        ({"CDISpecDirs": None, "Runtimes": None, "DiscoveredDevices": None}, None),
    ],
)
def test_how_an_engine_passes_a_gpu_through(host: Path, info: dict[str, Any], method: str | None) -> None:
    assert engine_method(info, host) == method


def test_a_specification_of_another_vendor_is_none(host: Path) -> None:
    (host / "etc/cdi/nvidia.yaml").write_text("kind: vendor.com/nic\n", encoding="utf-8")
    assert engine_method(CDI, host) is None


def test_none_is_none_whatever_there_is(host: Path) -> None:
    assert choose("none", BOTH, host) is None


def test_auto_takes_the_first_device(host: Path) -> None:
    assert choose("auto", CDI, host) == GpuChoice(0, "cdi")
    assert choose("auto", TOOLKIT, host) == GpuChoice(0, "gpus")


def test_auto_does_without_where_the_engine_cannot(host: Path) -> None:
    assert choose("auto", PLAIN, host) is None


def test_a_number_takes_that_device(host: Path) -> None:
    assert choose("2", CDI, host) == GpuChoice(2, "cdi")


def test_several_numbers_are_for_trainers_and_the_first_is_the_sandboxs(host: Path) -> None:
    choice = choose("2,0,2", CDI, host)
    assert choice == GpuChoice(2, "cdi", (0,))
    assert choice.device_request()["DeviceIDs"] == ["nvidia.com/gpu=2"]
    assert choice.device_request(choice.whole)["DeviceIDs"] == ["nvidia.com/gpu=2", "nvidia.com/gpu=0"]
    with pytest.raises(UserError, match="no GPU 1"):
        choose("0,1", CDI, host)


@pytest.mark.parametrize("wish", ["1", "7", "99"])
def test_a_device_that_is_not_there(host: Path, wish: str) -> None:
    with pytest.raises(UserError, match=rf"no GPU {wish} \(it has: 0, 2\)"):
        choose(wish, BOTH, host)


def test_a_device_where_there_is_none(bare: Path) -> None:
    with pytest.raises(UserError, match="it has: none"):
        choose("0", BOTH, bare)


@pytest.mark.parametrize("wish", ["all", "-1", "0,", ",1", "0,,2", "", "gpu", "1.5", "²"])
def test_a_wish_that_is_none(host: Path, wish: str) -> None:
    with pytest.raises(UserError, match="auto, none or a number"):
        choose(wish, BOTH, host)


def test_a_number_where_the_engine_cannot(host: Path) -> None:
    with pytest.raises(InfrastructureError, match="cannot pass a GPU") as caught:
        choose("0", PLAIN, host)
    assert "Container Toolkit" in caught.value.remedy


def sent(choice: GpuChoice | None, tmp_path: Path, variant: str = "cuda") -> dict[str, Any]:
    """The body that the SDK really posts for this choice."""
    double = FakeEngine()
    with double.listening(tmp_path / "engine.sock") as url:
        engine = Engine(url)
        engine.create(container_request(Recipe("image", Limits(), variant=variant, gpu=choice)))
        engine.close()
    (body,) = double.bodies
    return dict(body)


def test_the_request_by_cdi(tmp_path: Path) -> None:
    body = sent(GpuChoice(2, "cdi"), tmp_path)
    assert body["HostConfig"]["DeviceRequests"] == [
        {
            "Driver": "cdi",
            "Count": 0,
            "DeviceIDs": ["nvidia.com/gpu=2"],
            "Capabilities": None,
            "Options": None,
        }
    ]
    assert "NVIDIA_DRIVER_CAPABILITIES=compute,utility" in body["Env"]
    assert not any(e.startswith("NVIDIA_VISIBLE_DEVICES") for e in body["Env"])


def test_the_request_by_gpus(tmp_path: Path) -> None:
    body = sent(GpuChoice(1, "gpus"), tmp_path)
    assert body["HostConfig"]["DeviceRequests"] == [
        {
            "Driver": "",
            "Count": 0,
            "DeviceIDs": ["1"],
            "Capabilities": [["gpu"]],
            "Options": None,
        }
    ]
    assert {"NVIDIA_DRIVER_CAPABILITIES=compute,utility", "NVIDIA_VISIBLE_DEVICES=1"} <= set(body["Env"])


@pytest.mark.parametrize("method", ["cdi", "gpus"])
def test_a_gpu_brings_no_privilege(tmp_path: Path, method: str) -> None:
    host = sent(GpuChoice(0, method), tmp_path)["HostConfig"]
    assert host["CapDrop"] == ["ALL"]
    assert not host.get("CapAdd")
    assert host["Privileged"] is False
    assert host["ReadonlyRootfs"] is True
    assert host["NetworkMode"] == "none"
    assert not host.get("Binds")
    assert not host.get("Devices")
    assert "no-new-privileges" in host["SecurityOpt"]


def test_no_gpu_is_not_asked_for(tmp_path: Path) -> None:
    body = sent(None, tmp_path, "cpu")
    assert "DeviceRequests" not in body["HostConfig"]
    assert not any("NVIDIA" in e for e in body["Env"])


@pytest.fixture
def checker_with(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: Path) -> Iterator[Callable[..., Checker]]:
    """Open a checker on a fake engine, on a host with GPUs, under a profile that says yes or no to them."""

    def opened(wish: str, *, profile_says: bool, info: dict[str, Any]) -> Checker:
        double = FakeEngine(info=info)
        listening = double.listening(tmp_path / "engine.sock")
        url = listening.__enter__()
        stops.append(listening)
        monkeypatch.setenv("DOCKER_HOST", url)
        monkeypatch.setattr(checker, "load", lambda name: replace(load(name), gpu=profile_says))
        monkeypatch.setattr(checker, "choose", lambda wish, info: choose(wish, info, host))
        monkeypatch.setattr(
            "harness.images.current", lambda variant: ImageRef(f"tag-{variant}", f"id-{variant}", variant)
        )
        found = Checker.open(Options(gpu=wish))
        found.engine.close()
        return found

    stops: list[Any] = []
    yield opened
    for listening in stops:
        listening.__exit__(None, None, None)


def test_a_gpu_is_used_where_there_is_one(checker_with: Callable[..., Checker]) -> None:
    opened = checker_with("auto", profile_says=True, info=BOTH)
    assert opened.recipe.gpu == GpuChoice(0, "cdi")
    assert (opened.recipe.variant, opened.recipe.image) == ("cuda", "id-cuda")
    assert opened.environment["device"] == "cpu and GPU"


def test_a_profile_can_say_no(checker_with: Callable[..., Checker]) -> None:
    opened = checker_with("0", profile_says=False, info=BOTH)
    assert opened.recipe.gpu is None
    assert (opened.recipe.variant, opened.recipe.image) == ("cpu", "id-cpu")
    assert opened.environment["device"] == "cpu"


def test_the_report_says_that_all_ran_on_the_cpu(checker_with: Callable[..., Checker]) -> None:
    assert checker_with("auto", profile_says=True, info=PLAIN).environment["device"] == "cpu"
