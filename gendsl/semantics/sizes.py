"""What the text says of the values of sizes."""

from __future__ import annotations

from dataclasses import dataclass, field

from gendsl.types import Size

__all__ = ["MOST_TERMS", "Sizes"]

MOST_TERMS = 100
"""Sizes with more terms are not worked out: they are meant to be read."""


@dataclass(slots=True)
class Sizes:
    """What the text says of the sizes of axes.

    Attributes:
        symbolic: axes declared by other axes, ``dim M = D``, in terms of those that are not.
        numbers: axes whose number follows from the text.
    """

    symbolic: dict[str, Size] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)

    def known(self, size: Size) -> int | None:
        """The number that `size` is, if the text says so."""
        if not size.names <= self.numbers.keys():
            return None
        return size.evaluate(self.numbers)

    def canonical(self, size: Size) -> Size:
        """The size in terms of axes that are not declared by other axes.

        A size that would grow beyond all bounds is left as it is.
        """
        if not size.names & self.symbolic.keys():
            return size
        total = Size(())
        for names, coefficient in size.terms:
            product = Size.of(coefficient)
            for name in names:
                product = product * self.symbolic.get(name, Size.named(name))
                if len(product.terms) > MOST_TERMS or any(
                    len(n) > MOST_TERMS for n, _ in product.terms
                ):
                    return size
            total = total + product
        return total if len(total.terms) <= MOST_TERMS else size

    def agree(self, a: Size, b: Size) -> bool:
        """Whether two sizes are the same: one symbol, or a number and a symbol worth it."""
        if a == b or self.canonical(a) == self.canonical(b):
            return True
        if a.names and b.names:
            return False
        known = self.known(a)
        return known is not None and known == self.known(b)
