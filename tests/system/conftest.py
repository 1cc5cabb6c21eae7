"""Fixtures: modules that are always ended, listeners that are always closed, and on a failure the logs."""
import socket

import pytest

import attache
from tls_fixtures import peer, pki, serving, tls  # noqa: F401


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.when == "call":
        item.failed_call = report.failed
    if report.failed:
        for module in getattr(item, "modules", ()):
            report.sections.extend(module.story())
    return report


@pytest.fixture
def module(request):
    """module(*options): a running attache.Module; ended and checked after the test."""
    request.node.modules = modules = []

    def start(*options, **keywords):
        modules.append(attache.Module(*options, **keywords))
        return modules[-1]

    yield start
    for each in modules:
        each.stop()
    for each in modules:
        if not getattr(request.node, "failed_call", False):
            each.check()
        each.forget()


@pytest.fixture
def listener():
    """listener(): a TCP socket that listens on the loopback; accept() has a deadline."""
    opened = []

    def listen():
        server = socket.create_server(("127.0.0.1", 0))
        server.settimeout(attache.PATIENCE_S)
        opened.append(server)
        return server

    yield listen
    for server in opened:
        server.close()
