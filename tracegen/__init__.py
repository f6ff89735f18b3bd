"""Reasoning traces from a strong teacher: verified, curated, published, and distilled into a small student."""

__version__ = "0.1.0"
