"""Labels of the interface."""


def sentence_case(text: str) -> str:
    """Return a text that starts with a capital letter."""
    return text[:1].upper() + text[1:]
