"""A section as the rules of `decide` get it, also when some of its values could not be read."""

from typing import Any

from decide.known import UnreadError
from settings.kinds import BROKEN


class Known(dict[str, Any]):
    """A wish of which a rule gets no value whose fault is listed already: it stays silent then."""

    def __getitem__(self, key: str) -> Any:
        return self._read(super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        """As of any dict."""
        return self._read(super().get(key, default))

    @staticmethod
    def _read(value: Any) -> Any:
        if value is BROKEN:
            raise UnreadError
        return value
