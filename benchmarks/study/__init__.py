"""Does label assignment distillation help a small detector? A study that was planned before it was run."""
