"""Checkpoints of timm. They run apart from the other tests: see conftest.py."""
