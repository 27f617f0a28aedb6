"""The compiled CPU library: its sources, and the Python that loads it."""
