"""Mechanical rewrites of gold answers, half of which keep the value: what a math verifier is measured with."""
