"""Calls the order service at a URL as a customer would: place an order, see it, see it shipped.

    python3 examples/orders/check.py http://…

Needs nothing but the standard library, and knows nothing of what answers.
"""

import json
import sys
import time
import urllib.error
import urllib.request


def call(method, url, body=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"content-type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return response.status, json.load(response)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def check(url):
    status, order = call("POST", f"{url}/orders", {"item": "umbrella", "quantity": 2})
    assert status == 201 and order["status"] == "PLACED", (status, order)
    deadline = time.monotonic() + 30
    while True:
        status, seen = call("GET", f"{url}/orders/{order['id']}")
        assert status == 200 and seen["quantity"] == 2, (status, seen)
        if seen["status"] == "SHIPPED":
            break
        assert time.monotonic() < deadline, f"not shipped in time: {seen}"
        time.sleep(0.05)
    assert call("POST", f"{url}/orders", {"item": "umbrella"})[0] == 400
    assert call("GET", f"{url}/orders/nobody")[0] == 404
    return seen


if __name__ == "__main__":
    print(json.dumps(check(sys.argv[1].rstrip("/")), indent=2))
