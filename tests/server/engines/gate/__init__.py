"""Tests of the accuracy gate."""
