"""Two tree-crown detectors learn from each other on aerial images: `python -m examples.aerial`."""
