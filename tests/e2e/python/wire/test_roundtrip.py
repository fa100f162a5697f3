"""Needs a server in echo mode at `UNDERCAST_ECHO_URL`."""

import os

import pytest

import roundtrip

URL = os.environ.get("UNDERCAST_ECHO_URL")


def operations():
    if not URL:
        return []
    return [(s, o) for s, names in sorted(roundtrip.Echo(URL).operations().items()) for o in names]


@pytest.mark.parametrize(("service", "operation"), operations())
def test_every_operation_survives_the_wire(service, operation):
    echo, api = roundtrip.Echo(URL), roundtrip.client(service, URL)
    problems = roundtrip.check_inputs(echo, api, operation)
    problems += roundtrip.check_outputs(echo, api, operation)
    problems += roundtrip.check_errors(echo, api, operation)
    assert not problems, "\n".join(problems)
