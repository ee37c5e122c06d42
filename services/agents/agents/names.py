"""Names for agents that were given none."""

import secrets

_ADJECTIVES = (
    "Able Amber Bold Brave Breezy Bright Brisk Calm Candid Cheerful Clever Coral Cosy Crisp Curious Dapper Daring "
    "Deft Eager Early Fair Fleet Fond Frank Gentle Glad Golden Hardy Honest Jolly Keen Kind Lively Loyal Lucid Merry "
    "Mild Modest Neat Nimble Noble Patient Placid Plucky Polite Proud Quick Quiet Ready Robust Sage Serene Silver "
    "Sincere Smart Snug Spry Steady Sunny Swift Tidy Trusty Upbeat Vivid Warm Wise Witty Zesty"
)
_NOUNS = (
    "Acorn Alder Anchor Badger Beacon Beaver Birch Bramble Brook Canyon Cedar Cricket Crane Delta Dolphin Ember Falcon "
    "Fern Finch Fjord Fox Garnet Glacier Grove Harbor Hare Hazel Heron Ibis Island Jasper Juniper Kestrel Lagoon "
    "Lantern Lark Linden Lynx Magpie Maple Meadow Meteor Mill Moss Newt Oasis Orchard Osprey Otter Owl Pebble Pine "
    "Plover Prairie Quail Quartz Raven Reef Ridge Robin Sail Salmon Sparrow Spruce Summit Swallow Tern Thistle Tulip "
    "Valley Violet Walnut Willow Wren Yew Zephyr"
)


def friendly_name() -> str:
    """A name such as "QuietOtter"; not unique."""
    return secrets.choice(_ADJECTIVES.split()) + secrets.choice(_NOUNS.split())
