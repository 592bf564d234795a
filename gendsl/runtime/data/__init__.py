"""Data: read from files or Python, matched with the declarations of a model, and checked."""

from gendsl.runtime.data.binding import BoundData, bind
from gendsl.runtime.data.entries import RawData
from gendsl.runtime.data.reading import raw_data, read_data
from gendsl.runtime.data.streams import RowStream

__all__ = ["BoundData", "RawData", "RowStream", "bind", "raw_data", "read_data"]
