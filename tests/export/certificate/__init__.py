"""Tests of vitscope.export.certificate."""
