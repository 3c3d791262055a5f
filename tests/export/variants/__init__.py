"""Tests of vitscope.export.variants."""
