"""What labeling contributes to the home page."""


def register_all() -> None:
    """Add labeling's panels."""
