"""A detector that this library does not know, trained by its assigners: in plain PyTorch, Lightning and Accelerate."""
