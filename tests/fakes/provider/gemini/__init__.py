"""Gemini: generated content, embeddings and models."""
