"""Devices: several processes, memory, precision, compilation and the environment."""
