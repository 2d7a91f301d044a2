"""Examples: what the document shows of a form, written beside it.

An example may leave out fields whose own examples, or those of their names, fit: the document fills them in.
"""

from pydantic import ConfigDict
from pydantic.config import JsonDict


def showing(*examples: JsonDict) -> ConfigDict:
    """The configuration of a model that has these examples."""
    return ConfigDict(json_schema_extra={"examples": [*examples]})
