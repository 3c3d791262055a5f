"""Accuracy by images per class, on Fashion-MNIST: from scratch, and from DINOv2 by probe, LoRA and full fine-tuning."""
