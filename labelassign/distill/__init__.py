"""Label assignment distillation: the assigners that let another network decide, and the losses that go with them."""
