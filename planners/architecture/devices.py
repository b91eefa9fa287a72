"""Devices that a forecast can be made for: memory and peak, from the makers' data sheets.

A data sheet's gigabytes are read as 10^9 bytes. Prices differ by provider and by month, so they are asked for.
"""

from dataclasses import dataclass

from planners.records.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Device:
    """One accelerator."""

    name: str
    """How it is asked for."""
    driver: str
    """What the name that its driver reports contains."""
    memory: float
    """Bytes."""
    peak_bf16: float
    """Dense peak of bf16 matrix products with fp32 sums, FLOP/s; what MFU refers to."""
    source: str
    """Where the two numbers are printed."""


DEVICES: dict[str, Device] = {
    device.name: device
    for device in (
        Device(name="b200", driver="B200", memory=180e9, peak_bf16=2250e12, source="NVIDIA DGX B200 data sheet / 8"),
        Device(name="h200", driver="H200", memory=141e9, peak_bf16=989e12, source="NVIDIA H200 data sheet, SXM"),
        Device(name="h100-nvl", driver="H100 NVL", memory=94e9, peak_bf16=835e12, source="NVIDIA H100 data sheet, NVL"),
        Device(
            name="h100-pcie", driver="H100 PCIe", memory=80e9, peak_bf16=756e12, source="NVIDIA H100 data sheet, PCIe"
        ),
        Device(name="h100", driver="H100", memory=80e9, peak_bf16=989e12, source="NVIDIA H100 data sheet, SXM"),
        Device(name="a100", driver="A100", memory=80e9, peak_bf16=312e12, source="NVIDIA A100 data sheet, 80 GB"),
        Device(name="a100-40", driver="A100", memory=40e9, peak_bf16=312e12, source="NVIDIA A100 data sheet, 40 GB"),
        Device(name="l40s", driver="L40S", memory=48e9, peak_bf16=362e12, source="NVIDIA L40S data sheet"),
        Device(name="a10g", driver="A10G", memory=24e9, peak_bf16=70e12, source="NVIDIA A10G data sheet"),
        Device(name="mi300x", driver="MI300X", memory=192e9, peak_bf16=1307e12, source="AMD MI300X data sheet"),
    )
}


def device(name: str) -> Device:
    """Return the device called `name`. Raises UsageError that lists the known ones."""
    if name.lower() not in DEVICES:
        raise UsageError(f"device {name!r} is not one of {', '.join(DEVICES)}")
    return DEVICES[name.lower()]


def peak_bf16(reported: str) -> float | None:
    """Return the peak in FLOP/s of the device whose driver reports this name, or None where it is not known.

    A part of a device (MIG) has a part of its peak, which its name does not tell.
    """
    if "MIG" in reported:
        return None
    return next((device.peak_bf16 for device in DEVICES.values() if device.driver in reported), None)
