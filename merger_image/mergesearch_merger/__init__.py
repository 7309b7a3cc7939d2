"""The merger: writes linear merges of safetensors checkpoints, streaming."""
