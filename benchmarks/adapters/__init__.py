"""What an adapter costs: training steps of real detectors, with their own rule and with ours in its place."""
