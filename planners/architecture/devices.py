"""Devices that forecasts know: memory and peak, from the makers' data sheets.

A gigabyte of a data sheet is 10^9 bytes. Prices differ by provider and by month, so the user gives them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from planners.records.registry import look_up


@dataclass(frozen=True, kw_only=True)
class Device:
    """One accelerator."""

    driver: str
    """Text in the name that its driver reports."""
    memory: float
    """Bytes."""
    peak_bf16: float
    """Dense peak of bf16 matrix products with fp32 sums, FLOP/s; what MFU refers to."""
    source: str
    """Where the two numbers are printed."""


DEVICES: Mapping[str, Device] = {
    "b200": Device(driver="B200", memory=180e9, peak_bf16=2250e12, source="NVIDIA DGX B200 data sheet / 8"),
    "h200": Device(driver="H200", memory=141e9, peak_bf16=989e12, source="NVIDIA H200 data sheet, SXM"),
    "h100-nvl": Device(driver="H100 NVL", memory=94e9, peak_bf16=835e12, source="NVIDIA H100 data sheet, NVL"),
    "h100-pcie": Device(driver="H100 PCIe", memory=80e9, peak_bf16=756e12, source="NVIDIA H100 data sheet, PCIe"),
    "h100": Device(driver="H100", memory=80e9, peak_bf16=989e12, source="NVIDIA H100 data sheet, SXM"),
    "a100": Device(driver="A100", memory=80e9, peak_bf16=312e12, source="NVIDIA A100 data sheet, 80 GB"),
    "a100-40": Device(driver="A100", memory=40e9, peak_bf16=312e12, source="NVIDIA A100 data sheet, 40 GB"),
    "l40s": Device(driver="L40S", memory=48e9, peak_bf16=362e12, source="NVIDIA L40S data sheet"),
    "a10g": Device(driver="A10G", memory=24e9, peak_bf16=70e12, source="NVIDIA A10G data sheet"),
    "mi300x": Device(driver="MI300X", memory=192e9, peak_bf16=1307e12, source="AMD MI300X data sheet"),
}
"""Devices by the name that `--device` takes; of two whose drivers report one name, the first is meant."""


def device(name: str) -> Device:
    """Return the device called `name`. Raises UsageError that lists the known names."""
    return look_up(DEVICES, name.lower(), "device")


def peak_bf16(reported: str) -> float | None:
    """Return the peak in FLOP/s of the device whose driver reports this name, or None where it is not known.

    A part of a device (MIG) has a part of the peak, and its name does not say which.
    """
    if "MIG" in reported:
        return None
    return next((device.peak_bf16 for device in DEVICES.values() if device.driver in reported), None)
