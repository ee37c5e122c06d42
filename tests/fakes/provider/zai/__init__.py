"""Z.ai: chat completions with reasoning, and models."""
