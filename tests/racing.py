"""Requests that come at the same moment."""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

from django.db import connection

from tilth.errors import TilthError


def at_once(*calls):
    """Run the calls in threads that start together; each gives its result or its TilthError."""
    gate = Barrier(len(calls))

    def run(call):
        try:
            gate.wait()
            return call()
        except TilthError as error:
            return error
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


def refused(results):
    """The errors among the results."""
    return [result for result in results if isinstance(result, TilthError)]
