"""pass@1 for tasks whose answers are programs; what a task's YAML names as its metric:

    metric: !function mergesearch_evaluator.sandbox.metric.pass_at_1

It takes the place of `code_eval`, which is fetched from the Hugging Face hub when it is needed and runs programs as
children of the evaluator, with all that the evaluator can see.
"""

from collections.abc import Sequence

from mergesearch_evaluator.sandbox import client
from mergesearch_evaluator.sandbox.programs import Outcome


def pass_at_1(references: Sequence[str], predictions: Sequence[str | Sequence[str]]) -> float:
    """The share of answers that pass, in the mean over problems; an answer is one program, or several.

    A program is the answer, a line break, and the tests (Chen et al. 2021, section 2.1, with k = 1). One that runs out
    of time has not passed. Raises MergeSearchError where the sandbox does not work.
    """
    shares = []
    for tests, answers in zip(references, predictions, strict=True):
        tried = [answers] if isinstance(answers, str) else list(answers)
        passed = [client.judge(f"{answer}\n{tests}").outcome is Outcome.PASSED for answer in tried]
        shares.append(sum(passed) / len(passed))
    return sum(shares) / len(shares)
