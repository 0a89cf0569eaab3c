"""What an online shop does when the shelf is empty."""

__version__ = "0.1.0.dev0"
