"""Asks for prices, as customers do: python3 examples/dark-read/load.py http://… [seconds]"""

import json
import sys
import time
import urllib.request

MISTAKES = ["order", "null", "rounding", "zone", "slow", "throws", "crashes", "writing"]
PRODUCTS = ["umbrella", "lamp", "chair"] + [f"lamp-{mistake}" for mistake in MISTAKES]


def ask(url, sku, amount):
    with urllib.request.urlopen(f"{url}/prices/{sku}?amount={amount}", timeout=30) as response:
        quote = json.load(response)
    net = {"umbrella": 19.9, "lamp": 34.5, "chair": 89}[sku.split("-")[0]]
    # Whatever happens in the dark, this is what customers get.
    assert quote["total"] == net * amount * 1.19 and quote["currency"] == "EUR", quote
    return quote


def round_of(url, amount=3):
    for sku in PRODUCTS:
        ask(url, sku, amount)


if __name__ == "__main__":
    end = time.monotonic() + float(sys.argv[2] if len(sys.argv) > 2 else "60")
    asked = 0
    while time.monotonic() < end:
        round_of(sys.argv[1].rstrip("/"), 1 + asked % 7)
        asked += len(PRODUCTS)
    print(f"{asked} prices asked for, all as they should be")
