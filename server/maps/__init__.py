"""Explanations over the grid of patches: chosen, made by a method, encoded, drawn."""
