"""Tests of vitscope.export.families."""
