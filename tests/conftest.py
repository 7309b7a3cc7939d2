"""How property tests run: the same examples each time, and never against the clock of a busy machine.

`pytest --hypothesis-profile explore` draws new examples instead, to look for what nobody has met yet.
"""

from hypothesis import settings

settings.register_profile("steady", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, derandomize=False)
settings.load_profile("steady")

pytest_plugins = ["cluster.fixtures"]
