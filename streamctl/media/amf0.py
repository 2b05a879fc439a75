"""AMF0 values: decode and encode (Adobe, Action Message Format AMF 0, section 2).

Values are plain Python: ``float``, ``bool``, ``str``, ``None``, ``list`` and ``dict``; what has no
counterpart gets a small type of its own, so that decoding what was encoded gives the same value.
What the values mean is left to the protocols that carry them: RTMP commands, FLV script data.
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from streamctl.errors import LocalProtocolError, RemoteProtocolError
from streamctl.media import amf3

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_DEPTH = 16
"""Nested containers; commands and metadata of real clients need three."""
MAX_VALUES = 4096
"""Values in one message: the metadata of the chattiest encoders has about a hundred."""
MAX_SHORT_STRING = 0xFFFF
"""Longest string that the two-byte length of a String can express."""

NUMBER = struct.Struct(">d")
SHORT = struct.Struct(">H")
LONG = struct.Struct(">I")
DATE = struct.Struct(">dh")


class Marker(enum.IntEnum):
    """The type markers of section 2.1."""

    NUMBER = 0x00
    BOOLEAN = 0x01
    STRING = 0x02
    OBJECT = 0x03
    MOVIECLIP = 0x04
    NULL = 0x05
    UNDEFINED = 0x06
    REFERENCE = 0x07
    ECMA_ARRAY = 0x08
    OBJECT_END = 0x09
    STRICT_ARRAY = 0x0A
    DATE = 0x0B
    LONG_STRING = 0x0C
    UNSUPPORTED = 0x0D
    RECORDSET = 0x0E
    XML_DOCUMENT = 0x0F
    TYPED_OBJECT = 0x10
    AVMPLUS = 0x11


class Special(enum.Enum):
    """Values that are neither data nor null."""

    UNDEFINED = Marker.UNDEFINED
    UNSUPPORTED = Marker.UNSUPPORTED


class EcmaArray(dict[str, Any]):
    """An associative array; it differs from an object in its marker and a count."""


class XmlDocument(str):
    """A string that is an XML document."""

    __slots__ = ()


class TypedObject(dict[str, Any]):
    """An object with a class name."""

    def __init__(self, class_name: str, values: dict[str, Any] | None = None) -> None:
        super().__init__(values or {})
        self.class_name = class_name


@dataclass(frozen=True, slots=True)
class Date:
    """A point in time."""

    unix_ms: float
    zone: int = 0
    """Reserved by the specification; written as 0 and not to be used."""


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


def encode(*values: Any) -> bytes:
    """The bytes of the values, one after the other.

    Raises:
        LocalProtocolError: a value has no AMF0 form.
    """
    out: list[bytes] = []
    for value in values:
        encode_value(out, value)
    return b"".join(out)


class Decoder:
    """A reading position in one message body, with the complex values seen so far."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0
        self.depth = 0
        self.count = 0
        self.complex: list[Any] = []
        """Targets of references (section 2.9), in the order in which they began."""
        self.amf3: amf3.Decoder | None = None

    def value(self) -> Any:
        """The next value.

        Raises:
            RemoteProtocolError: truncated, unknown or too large.
        """
        self.count += 1
        if self.count > MAX_VALUES:
            raise RemoteProtocolError(f"an AMF0 message has more than {MAX_VALUES} values")
        marker = self.take(1)[0]
        reader = READERS.get(marker)
        if reader is None:
            raise RemoteProtocolError(f"unexpected AMF0 type: `0x{marker:02x}`")
        return reader(self)

    def take(self, size: int) -> bytes:
        """The next ``size`` bytes.

        Raises:
            RemoteProtocolError: the message ends before.
        """
        start = self.position
        end = start + size
        if end > len(self.data):
            raise RemoteProtocolError("an AMF0 value is truncated")
        self.position = end
        return self.data[start:end]

    def number(self) -> float:
        """A double."""
        number: float = NUMBER.unpack(self.take(8))[0]
        return number

    def avmplus(self) -> Any:
        """One value in AMF3; its references may lead to earlier ones of the message."""
        if self.amf3 is None:
            self.amf3 = amf3.Decoder(self.data)
        self.amf3.position = self.position
        value = self.amf3.value()
        self.position = self.amf3.position
        return value

    def boolean(self) -> bool:
        """One byte; everything but zero is true."""
        return self.take(1) != b"\0"

    def string(self) -> str:
        """UTF-8 behind a two-byte length; what is not UTF-8 is replaced, as encoders err here."""
        return self.take(SHORT.unpack(self.take(2))[0]).decode("utf-8", "replace")

    def long_string(self) -> str:
        """UTF-8 behind a four-byte length."""
        return self.take(LONG.unpack(self.take(4))[0]).decode("utf-8", "replace")

    def xml(self) -> XmlDocument:
        """An XML document, coded as a long string."""
        return XmlDocument(self.long_string())

    def date(self) -> Date:
        """Milliseconds since 1970 and the reserved zone."""
        return Date(*DATE.unpack(self.take(10)))

    def reference(self) -> Any:
        """A value that stood earlier in the message."""
        index = SHORT.unpack(self.take(2))[0]
        if index >= len(self.complex):
            raise RemoteProtocolError(f"an AMF0 reference leads nowhere: `{index}`")
        return self.complex[index]

    def object(self) -> dict[str, Any]:
        """Names and values up to the end marker."""
        return self.members({})

    def ecma_array(self) -> EcmaArray:
        """As an object; the count before it is a hint that encoders get wrong."""
        self.take(4)
        array = EcmaArray()
        self.members(array)
        return array

    def typed_object(self) -> TypedObject:
        """A class name, then as an object."""
        typed = TypedObject(self.string())
        self.members(typed)
        return typed

    def members(self, into: dict[str, Any]) -> dict[str, Any]:
        """Fill an object from names and values up to the end marker."""
        self.enter(into)
        while True:
            name = self.string()
            if not name and self.data[self.position : self.position + 1] == b"\x09":
                self.position += 1
                break
            into[name] = self.value()
        self.depth -= 1
        return into

    def strict_array(self) -> list[Any]:
        """Values behind their count."""
        count = LONG.unpack(self.take(4))[0]
        array: list[Any] = []
        self.enter(array)
        array.extend(self.value() for _ in range(count))
        self.depth -= 1
        return array

    def enter(self, container: Any) -> None:
        """Register a container that begins here."""
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise RemoteProtocolError(f"AMF0 containers are nested deeper than {MAX_DEPTH}")
        self.complex.append(container)


READERS: dict[int, Callable[[Decoder], Any]] = {
    Marker.NUMBER: Decoder.number,
    Marker.BOOLEAN: Decoder.boolean,
    Marker.STRING: Decoder.string,
    Marker.OBJECT: Decoder.object,
    Marker.NULL: lambda _: None,
    Marker.UNDEFINED: lambda _: Special.UNDEFINED,
    Marker.REFERENCE: Decoder.reference,
    Marker.ECMA_ARRAY: Decoder.ecma_array,
    Marker.STRICT_ARRAY: Decoder.strict_array,
    Marker.DATE: Decoder.date,
    Marker.LONG_STRING: Decoder.long_string,
    Marker.UNSUPPORTED: lambda _: Special.UNSUPPORTED,
    Marker.XML_DOCUMENT: Decoder.xml,
    Marker.TYPED_OBJECT: Decoder.typed_object,
    Marker.AVMPLUS: Decoder.avmplus,
}


def encode_value(out: list[bytes], value: Any) -> None:
    """Append the bytes of one value.

    Raises:
        LocalProtocolError: the value has no AMF0 form.
    """
    match value:
        case None:
            out.append(b"\x05")
        case bool():
            out.append(b"\x01\x01" if value else b"\x01\x00")
        case int() | float():
            out.append(b"\x00" + NUMBER.pack(value))
        case str():
            out.append(encode_string(value))
        case Date():
            out.append(b"\x0b" + DATE.pack(value.unix_ms, value.zone))
        case Special():
            out.append(bytes((value.value,)))
        case dict():
            encode_members(out, value)
        case list() | tuple():
            out.append(b"\x0a" + LONG.pack(len(value)))
            for element in value:
                encode_value(out, element)
        case _:
            raise LocalProtocolError(f"no AMF0 form: `{type(value).__name__}`")


def encode_string(text: str) -> bytes:
    """A string with its marker, long or short as its size demands."""
    data = text.encode("utf-8", "surrogatepass")
    if isinstance(text, XmlDocument):
        return b"\x0f" + LONG.pack(len(data)) + data
    if len(data) > MAX_SHORT_STRING:
        return b"\x0c" + LONG.pack(len(data)) + data
    return b"\x02" + SHORT.pack(len(data)) + data


def encode_members(out: list[bytes], values: dict[str, Any]) -> None:
    """Append an object, associative array or typed object."""
    if isinstance(values, EcmaArray):
        out.append(b"\x08" + LONG.pack(len(values)))
    elif isinstance(values, TypedObject):
        out.append(b"\x10" + encode_name(values.class_name))
    else:
        out.append(b"\x03")
    for name, value in values.items():
        out.append(encode_name(name))
        encode_value(out, value)
    out.append(b"\0\0\x09")


def encode_name(name: str) -> bytes:
    """A member's name: a short string without a marker."""
    data = name.encode("utf-8", "surrogatepass")
    if len(data) > MAX_SHORT_STRING:
        raise LocalProtocolError("an AMF0 name is longer than 65535 bytes")
    return SHORT.pack(len(data)) + data
