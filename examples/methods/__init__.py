"""Explanation methods side by side on the same models: ours, by the exported graphs, and those that need gradients."""
