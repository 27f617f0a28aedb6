"""Runnable examples; they need the `[dev]` extra and download their images once."""
