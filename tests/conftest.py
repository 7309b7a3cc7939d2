"""How all tests run: property tests with the same examples each time, and never against the clock of a busy machine.

`pytest --hypothesis-profile explore` draws new examples instead, to look for what nobody has met yet.
"""

import signal

from hypothesis import settings

# A shell starts what it runs in the background with Ctrl-C ignored, and every child inherits that; the tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False)
settings.load_profile("steady")

pytest_plugins = ["cluster.fixtures"]
