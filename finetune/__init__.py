"""Stage 1: labelled images + a Vision Transformer -> a fine-tuned checkpoint in Hugging Face format."""
