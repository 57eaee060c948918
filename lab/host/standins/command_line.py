"""Takes a command line apart, as all the tools do in much the same way."""

from __future__ import annotations


def split(args: list[str], takes: frozenset[str], until: int = 0) -> tuple[dict[str, str], list[str]]:
    """Options with their values, and the other words; after `until` words everything is a word."""
    options: dict[str, str] = {}
    words: list[str] = []
    rest = list(args)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or (until and len(words) >= until):
            words.append(word)
        elif word in takes and rest:
            options[word] = rest.pop(0)
        else:
            options[word.partition("=")[0]] = word.partition("=")[2]
    return options, words


def first(options: dict[str, str], *names: str) -> str:
    """The value of an option that has several names; nothing where it was not given."""
    return next((options[name] for name in names if name in options), "")
