"""Tests of vitscope.export.checkpoint."""
