"""Tests of vitscope.export.graph."""
