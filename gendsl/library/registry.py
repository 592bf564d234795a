"""Tables of records: an immutable mapping from names to specs of one kind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Generic, Protocol, TypeVar

__all__ = ["Named", "Registry"]


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name users write."""
        ...


S = TypeVar("S", bound=Named)


class Registry(Mapping[str, S], Generic[S]):
    """The specs among `namespace`'s values (lists and tuples of specs included), by name.

    Raises:
        ValueError: two specs share a name.
    """

    def __init__(self, kind: type[S], namespace: Mapping[str, object]) -> None:
        """Collect the specs; the caller passes ``vars()``, last in its file."""
        found: dict[str, S] = {}
        for value in list(namespace.values()):
            for spec in value if isinstance(value, (list, tuple)) else (value,):
                if isinstance(spec, kind):
                    if found.get(spec.name, spec) is not spec:
                        raise ValueError(f"two specs are named {spec.name}")
                    found[spec.name] = spec
        self._specs = dict(sorted(found.items()))

    def __getitem__(self, name: str) -> S:
        """The spec called `name`."""
        return self._specs[name]

    def __iter__(self) -> Iterator[str]:
        """Names in alphabetical order."""
        return iter(self._specs)

    def __len__(self) -> int:
        """The number of specs."""
        return len(self._specs)
