"""Connectors: the platforms whose shops connect themselves, one module each."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from app.sources.connector import Connector
from app.sources.shopify import Shopify
from app.sources.woocommerce import WooCommerce
from app.vocabulary import Platform


@dataclass(frozen=True, slots=True)
class Connectors:
    """The connectors of an application."""

    of_platform: Mapping[str, Connector]

    def find(self, platform: str) -> Connector | None:
        """The connector of a platform; None where its orders are sent by somebody else."""
        return self.of_platform.get(platform)


CONNECTORS = Connectors(
    MappingProxyType({Platform.SHOPIFY.value: Shopify(), Platform.WOOCOMMERCE.value: WooCommerce()})
)
"""A new connector needs its module and a line here."""
