"""Tests of export/tail/."""
