"""OpenAI: chat completions, responses, embeddings and models."""
