"""Tests of vitscope.export.methods."""
