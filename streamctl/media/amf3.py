"""AMF3 values: decode only, since every peer that sends them takes AMF0 as well.

Values become plain ones, as in :mod:`streamctl.media.amf0`, so that nobody has to care which form a
peer chose: numbers are ``float``, dates milliseconds since 1970, undefined is ``None``, objects and
associative arrays are ``dict`` without their class names.

Specification: Adobe, Action Message Format AMF 3, sections 2 and 3.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from streamctl.errors import RemoteProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 16
"""Nested containers; commands and metadata of real clients need three."""
MAX_VALUES = 4096
"""Values in one message, names of members among them: as for AMF0."""
WRAPPERS = frozenset({"flex.messaging.io.ArrayCollection", "flex.messaging.io.ObjectProxy"})
"""Classes that write themselves as one other value. What others write only they can read."""

T = TypeVar("T")

DOUBLE = struct.Struct(">d")


class Marker(enum.IntEnum):
    """The type markers of section 3.1."""

    UNDEFINED = 0x00
    NULL = 0x01
    FALSE = 0x02
    TRUE = 0x03
    INTEGER = 0x04
    DOUBLE = 0x05
    STRING = 0x06
    XML_DOCUMENT = 0x07
    DATE = 0x08
    ARRAY = 0x09
    OBJECT = 0x0A
    XML = 0x0B
    BYTE_ARRAY = 0x0C
    VECTOR_INT = 0x0D
    VECTOR_UINT = 0x0E
    VECTOR_DOUBLE = 0x0F
    VECTOR_OBJECT = 0x10
    DICTIONARY = 0x11


@dataclass(frozen=True, slots=True)
class Traits:
    """What objects of one class have in common."""

    class_name: str
    members: tuple[str, ...]
    dynamic: bool
    """Members follow that the class does not name."""
    external: bool
    """The class writes its objects itself."""


def referred(known: list[T], index: int) -> T:
    """What stood earlier in the message."""
    if index >= len(known):
        raise RemoteProtocolError(f"an AMF3 reference leads nowhere: `{index}`")
    return known[index]


def decode(data: bytes) -> list[Any]:
    """The values of a message body, in order.

    Raises:
        RemoteProtocolError: truncated, unknown or larger than any real message.
    """
    decoder = Decoder(data)
    values = []
    while decoder.position < len(data):
        values.append(decoder.value())
    return values


class Decoder:
    """A reading position in one message body, with what references may lead to."""

    def __init__(self, data: bytes, position: int = 0) -> None:
        self.data = data
        self.position = position
        self.depth = 0
        self.count = 0
        self.strings: list[str] = []
        self.objects: list[Any] = []
        self.traits: list[Traits] = []

    def value(self) -> Any:
        """The next value.

        Raises:
            RemoteProtocolError: truncated, unknown or too large.
        """
        self.spend(1)
        marker = self.take(1)[0]
        reader = READERS.get(marker)
        if reader is None:
            raise RemoteProtocolError(f"unexpected AMF3 type: `0x{marker:02x}`")
        return reader(self)

    def spend(self, count: int) -> None:
        """Count values against the limit.

        Raises:
            RemoteProtocolError: there are more than any real message has.
        """
        self.count += count
        if self.count > MAX_VALUES:
            raise RemoteProtocolError(f"an AMF3 message has more than {MAX_VALUES} values")

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            RemoteProtocolError: the message ends before.
        """
        start = self.position
        end = start + size
        if end > len(self.data):
            raise RemoteProtocolError("an AMF3 value is truncated")
        self.position = end
        return self.data[start:end]

    def u29(self) -> int:
        """An unsigned integer of 29 bits in one to four bytes (section 1.3.1)."""
        value = 0
        for _ in range(3):
            byte = self.take(1)[0]
            value = value << 7 | byte & 0x7F
            if byte < 0x80:
                return value
        return value << 8 | self.take(1)[0]

    def header(self) -> tuple[int, Any]:
        """The number before a value of a complex type, or the value that it refers to."""
        number = self.u29()
        if number & 1:
            return number >> 1, None
        return -1, referred(self.objects, number >> 1)

    def integer(self) -> float:
        """A signed integer of 29 bits."""
        value = self.u29()
        return float(value - (1 << 29) if value >= 1 << 28 else value)

    def double(self) -> float:
        """A double."""
        number: float = DOUBLE.unpack(self.take(8))[0]
        return number

    def string(self) -> str:
        """UTF-8, or a reference to an earlier string; the empty one is never referred to."""
        number = self.u29()
        if not number & 1:
            return referred(self.strings, number >> 1)
        text = self.take(number >> 1).decode("utf-8", "replace")
        if text:
            self.strings.append(text)
        return text

    def octets(self) -> Any:
        """A byte array."""
        size, known = self.header()
        if size < 0:
            return known
        data = self.take(size)
        self.objects.append(data)
        return data

    def xml(self) -> Any:
        """An XML document as text."""
        size, known = self.header()
        if size < 0:
            return known
        text = self.take(size).decode("utf-8", "replace")
        self.objects.append(text)
        return text

    def date(self) -> Any:
        """Milliseconds since 1970."""
        size, known = self.header()
        if size < 0:
            return known
        self.objects.append(self.double())
        return self.objects[-1]

    def array(self) -> Any:
        """A list; an array with names is a dict, with its dense part under numbers."""
        count, known = self.header()
        if count < 0:
            return known
        position = len(self.objects)
        named: dict[str, Any] = {}
        dense: list[Any] = []
        # References inside lead to the list; an array with names is hardly ever its own member.
        self.enter(dense)
        while name := self.string():
            named[name] = self.value()
        dense.extend(self.value() for _ in range(count))
        self.depth -= 1
        if not named:
            return dense
        self.objects[position] = named
        named.update((str(index), value) for index, value in enumerate(dense))
        return named

    def object(self) -> Any:
        """Members by name."""
        number, known = self.header()
        if number < 0:
            return known
        traits = self.read_traits(number)
        members: dict[str, Any] = {}
        self.enter(members)
        if traits.external:
            if traits.class_name not in WRAPPERS:
                raise RemoteProtocolError(f"an AMF3 class can't be read: `{traits.class_name}`")
            inner = self.value()
            self.depth -= 1
            return inner
        for name in traits.members:
            members[name] = self.value()
        while traits.dynamic and (name := self.string()):
            members[name] = self.value()
        self.depth -= 1
        return members

    def read_traits(self, number: int) -> Traits:
        """The traits of an object, new or seen before."""
        if not number & 1:
            return referred(self.traits, number >> 1)
        external, dynamic, count = number >> 1 & 1, number >> 2 & 1, number >> 3
        name = self.string()
        if external:
            count = 0
        self.spend(count)
        names = tuple(self.string() for _ in range(count))
        self.traits.append(Traits(name, names, bool(dynamic), bool(external)))
        return self.traits[-1]

    def vector(self, form: str) -> Any:
        """Numbers of one size behind their count."""
        count, known = self.header()
        if count < 0:
            return known
        self.spend(count)
        self.take(1)
        packed = struct.Struct(f">{count}{form}")
        numbers = [float(number) for number in packed.unpack(self.take(packed.size))]
        self.objects.append(numbers)
        return numbers

    def vector_object(self) -> Any:
        """Values of one class behind their count."""
        count, known = self.header()
        if count < 0:
            return known
        self.take(1)
        self.string()
        values: list[Any] = []
        self.enter(values)
        values.extend(self.value() for _ in range(count))
        self.depth -= 1
        return values

    def dictionary(self) -> Any:
        """Pairs of values; those whose key is no text and no number are left out."""
        count, known = self.header()
        if count < 0:
            return known
        self.take(1)
        pairs: dict[str, Any] = {}
        self.enter(pairs)
        for _ in range(count):
            key, value = self.value(), self.value()
            if isinstance(key, str):
                pairs[key] = value
            elif isinstance(key, float):
                pairs[f"{key:g}"] = value
        self.depth -= 1
        return pairs

    def enter(self, container: Any) -> None:
        """Register a container that begins here."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RemoteProtocolError(f"AMF3 containers are nested deeper than {MAX_DEPTH}")
        self.objects.append(container)


READERS: dict[int, Callable[[Decoder], Any]] = {
    Marker.UNDEFINED: lambda _: None,
    Marker.NULL: lambda _: None,
    Marker.FALSE: lambda _: False,
    Marker.TRUE: lambda _: True,
    Marker.INTEGER: Decoder.integer,
    Marker.DOUBLE: Decoder.double,
    Marker.STRING: Decoder.string,
    Marker.XML_DOCUMENT: Decoder.xml,
    Marker.DATE: Decoder.date,
    Marker.ARRAY: Decoder.array,
    Marker.OBJECT: Decoder.object,
    Marker.XML: Decoder.xml,
    Marker.BYTE_ARRAY: Decoder.octets,
    Marker.VECTOR_INT: lambda decoder: decoder.vector("i"),
    Marker.VECTOR_UINT: lambda decoder: decoder.vector("I"),
    Marker.VECTOR_DOUBLE: lambda decoder: decoder.vector("d"),
    Marker.VECTOR_OBJECT: Decoder.vector_object,
    Marker.DICTIONARY: Decoder.dictionary,
}
