"""Arguments in the form that other languages send. What the SDK would drop without a word is refused here."""

from collections.abc import Iterator, Mapping
from typing import Any

import pulumi
from pulumi.provider.experimental.component import ComponentProvider

from decide.wording import shown, strangers


class Provider(ComponentProvider):
    """Takes no key that nobody reads, and no text where a section belongs."""

    def map_input_properties(
        self, inputs: Any, properties: Any, mapping: dict[str, str], component_name: str, property_path: str
    ) -> Any:
        """Called for each section, with its path."""
        for key, problem in self._faults(inputs, properties):
            path = ".".join(one for one in (property_path, key) if one)
            raise pulumi.InputPropertyError(path, f"{path} {problem}")
        return super().map_input_properties(inputs, properties, mapping, component_name, property_path)

    def _faults(self, given: Any, known: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if not isinstance(given, Mapping):
            yield "", f"cannot be {shown(given)}: a section with {', '.join(known)} belongs here"
            return
        yield from strangers(given, known)
        for key, prop in known.items():
            if isinstance(given.get(key), (str, int, float, list)) and prop.ref:
                section = self.get_type_definition(prop)
                if section and not section.enum:
                    yield (
                        key,
                        f"cannot be {shown(given[key])}: a section with {', '.join(section.properties)} belongs here",
                    )
