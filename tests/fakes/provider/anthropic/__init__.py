"""Anthropic: messages, token counts and models."""
