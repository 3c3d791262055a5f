"""Scenes with an exact mask of what decides their class, a small ViT trained on them, and how well maps find it."""
