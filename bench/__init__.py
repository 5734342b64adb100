"""Benches: peers, quality, devices, and what draws their results."""
