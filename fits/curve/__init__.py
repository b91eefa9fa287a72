"""Curves of loss against activation rate: fit, minimum, interval, and comparison with dense arms."""
