"""Speeds as ratios to a floor taken in the same run. ``python3 dev.py bench``."""
