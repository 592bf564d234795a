"""The record that says everything the compiler knows about a network architecture."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from gendsl.library.architectures.ports import Port
from gendsl.library.architectures.supports import without_link

__all__ = [
    "ArchitectureOption",
    "ArchitectureSpec",
    "Design",
    "OptionKind",
    "OptionValue",
    "Rule",
    "subject",
]

OptionValue = int | float | str | tuple[int, ...] | None


class OptionKind(Enum):
    """What the value of an option is; the value of the member says it in words."""

    WHOLE = "a whole number"
    REAL = "a number"
    WORD = "a word"
    WHOLES = "a list of whole numbers"


@dataclass(frozen=True, slots=True)
class ArchitectureOption:
    """An option of an architecture.

    Attributes:
        name: as users write it.
        kind: what its value is. One number may stand for a list of one.
        default: its value when left out; None where the meaning says what follows then.
        meaning: one phrase for messages and the reference.
        lower: the least value of a number, or of each of a list.
        upper: the greatest.
        words: the words that may be chosen from.
    """

    name: str
    kind: OptionKind
    default: OptionValue
    meaning: str
    lower: float = 0
    upper: float = 0
    words: tuple[str, ...] = ()

    @property
    def expected(self) -> str:
        """What a value must be, for messages: ``a whole number from 1 to 16``."""
        if self.kind is OptionKind.WORD:
            return f"one of {', '.join(self.words)}"
        return f"{self.kind.value} from {self.lower:.15g} to {self.upper:.15g}"

    def accepts(self, value: object) -> bool:
        """Whether `value` is legal."""
        match self.kind:
            case OptionKind.WORD:
                return isinstance(value, str) and value in self.words
            case OptionKind.WHOLE:
                return self._within(value) and isinstance(value, int)
            case OptionKind.REAL:
                return self._within(value)
            case OptionKind.WHOLES:
                listed = value if isinstance(value, (list, tuple)) else (value,)
                return bool(listed) and all(isinstance(v, int) and self._within(v) for v in listed)

    def _within(self, value: object) -> bool:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return self.lower <= value <= self.upper


@dataclass(frozen=True, slots=True)
class Design:
    """What a network is built from.

    Attributes:
        inputs: its inputs, in order; at least one.
        outputs: its outputs by name; one that has none is called "".
        options: a value for every option of the architecture.
        causal: entry i of every output depends on entries of the first input before i only.
    """

    inputs: tuple[Port, ...]
    outputs: Mapping[str, Port]
    options: Mapping[str, OptionValue]
    causal: bool = False

    @property
    def first(self) -> Port:
        """The first input."""
        return self.inputs[0]

    def given(self, name: str) -> bool:
        """Whether an option has a value."""
        return self.options.get(name) is not None

    def whole(self, name: str) -> int:
        """The value of an option that is a whole number."""
        value = self.options[name]
        if not isinstance(value, int):
            raise TypeError(f"{name} is {value!r}")
        return value

    def word(self, name: str) -> str:
        """The value of an option that is a word."""
        value = self.options[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is {value!r}")
        return value

    def wholes(self, name: str) -> tuple[int, ...]:
        """The value of an option that is a list."""
        value = self.options[name]
        if not isinstance(value, tuple):
            raise TypeError(f"{name} is {value!r}")
        return value


Rule = Callable[[Design], str | None]
"""Why a design is illegal, as a clause for a message, or None.

Sizes that are not known yet pass; the rule is asked again when they are.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchitectureSpec:
    """A network architecture.

    Attributes:
        name: the name users write.
        title: what messages call it.
        summary: a sentence for the reference.
        takes: the signatures it has, in words.
        options: what may be set.
        rule: why a signature is illegal for it.
        causal: whether entry i of its outputs can be made to depend on earlier entries only.
        ragged: the first axis of its inputs may have another length than it was built for.
        lengths: in one direction each member of a batch may have a length of its own.
        references: sources.
    """

    name: str
    title: str
    summary: str
    takes: str
    options: tuple[ArchitectureOption, ...]
    rule: Rule
    causal: bool = False
    ragged: bool = False
    lengths: bool = False
    references: tuple[str, ...] = ()

    def option(self, name: str) -> ArchitectureOption | None:
        """The option called `name`, if there is one."""
        return next((o for o in self.options if o.name == name), None)

    def completed(self, options: Mapping[str, object]) -> dict[str, OptionValue]:
        """A value for every option, lists as tuples.

        Raises:
            ValueError: an option is not known, or its value is not legal.
        """
        found = {o.name: o.default for o in self.options}
        for name, value in options.items():
            option = self.option(name)
            if option is None:
                raise ValueError(f"{self.title} has no option `{name}`")
            if not option.accepts(value):
                raise ValueError(f"`{name}` must be {option.expected}, not {value!r}")
            found[name] = _plain(option.kind, value)
        return found

    def design(
        self,
        inputs: Sequence[Port],
        outputs: Mapping[str, Port],
        options: Mapping[str, object],
        *,
        causal: bool = False,
    ) -> Design:
        """What a network of this architecture is built from.

        Raises:
            ValueError: the options are not legal.
        """
        return Design(tuple(inputs), outputs, self.completed(options), causal)

    def refusal(
        self,
        inputs: Sequence[Port],
        outputs: Mapping[str, Port],
        options: Mapping[str, object],
        *,
        causal: bool = False,
    ) -> str | None:
        """Why a network of this architecture cannot have this signature, or None.

        Raises:
            ValueError: the options are not legal.
        """
        return self.objection(self.design(inputs, outputs, options, causal=causal))

    def objection(self, design: Design) -> str | None:
        """Why a network of this architecture cannot have this design, or None."""
        if not design.inputs or not design.outputs:
            return "a network has at least one input and one output"
        for port in (*design.inputs, *design.outputs.values()):
            if 0 in port.event or port.categories == 0:
                return f"`{port}` has no entries"
        for name, port in design.outputs.items():
            reason = without_link(port)
            if reason is not None:
                return f"{subject(name)} is `{port}`: {reason}"
        reason = self._not_causal(design.first, design.outputs) if design.causal else None
        return self.rule(design) if reason is None else reason

    def _not_causal(self, first: Port, outputs: Mapping[str, Port]) -> str | None:
        if not self.causal:
            return f"every entry that {self.title} returns depends on all entries of its inputs"
        if not first.axes:
            return "the first input of a causal network has an order: at least one axis"
        for name, port in outputs.items():
            if port.axes[: len(first.axes)] != first.axes:
                return (
                    f"{subject(name)} is `{port}`, which does not begin with the axes of the "
                    f"first input, `{first}`"
                )
        return None


def subject(name: str) -> str:
    """What a message calls an output."""
    return f"the output `{name}`" if name else "the output"


def _plain(kind: OptionKind, value: object) -> OptionValue:
    if kind is OptionKind.WHOLES:
        return tuple(value) if isinstance(value, (list, tuple)) else (value,)  # type: ignore[return-value]
    return value  # type: ignore[return-value]
