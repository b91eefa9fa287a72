"""Devices against their sources and the names that drivers report."""

from planners.architecture.devices import DEVICES, device, peak_bf16


def test_devices_state_their_source_and_are_known_by_their_drivers() -> None:
    assert all("data sheet" in one.source for one in DEVICES.values())
    assert peak_bf16("NVIDIA H100 80GB HBM3") == device("H100").peak_bf16 == 989e12
    assert peak_bf16("NVIDIA A100-SXM4-40GB") == 312e12
    assert peak_bf16("NVIDIA H100 PCIe") == 756e12
    assert peak_bf16("NVIDIA H100 80GB HBM3 MIG 1g.10gb") is None
    assert peak_bf16("Some GPU") is None
