"""Twenty-five questions in one line each, of people who have not read the code: a researcher, a student, and a reader.

Each is answered by the first command that comes to mind, or by the command that its message gives.
"""

import re
import shlex
from dataclasses import dataclass

import pytest

from scaling import cli


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question, and how it is answered."""

    question: str
    """In the words of the person."""
    command: str
    """What the person types first, without `scaling`."""
    answer: str
    """A pattern that the answer has."""
    message: str | None = None
    """A pattern of the message of the first command, where it is not the answer itself."""
    then: str = ""
    """What the message tells to type; its words are in the message."""


HUNDRED = "plan --total-params 100M --activation 1,0.3 --seq-len 2048 --vocab-size 32768"
FLEET = f"{HUNDRED} --budget 1e19 --device h100"

RESEARCHER = [
    Asked(
        question="I have 1e20 FLOPs. What do I train?",
        command="plan --budget 1e20",
        answer=r"--total-params 850M: near the compute optimum .* Chinchilla",
    ),
    Asked(
        question="Which activation rates are worth a run?",
        command="plan --budget 1e20",
        answer=r"--activation 1,0\.5,0\.3,0\.2,0\.14,0\.1: a bracket around the published optimum",
    ),
    Asked(
        question="I want a 3B model. How much compute is that?",
        command="plan --total-params 3B",
        message=r"--budget 20N .*about 1\.08e21 FLOPs",
        then="--budget 20N",
        answer=r"C = 1\.2\d+e\+21 FLOPs",
    ),
    Asked(
        question="3B, at the ratio that Chinchilla recommends?",
        command="plan --total-params 3B --budget 20N",
        answer=r"dense .* 3\.001B .* 20 ",
    ),
    Asked(
        question="How many seeds do I get with --seeds 3?",
        command=f"{HUNDRED} --budget 1e18 --seeds 3",
        answer=r"one seed, numbered 3; 3 seeds are --seeds 0,1,2",
    ),
    Asked(
        question="How long does it take on 64 H100s?",
        command=f"{FLEET} --count 64",
        answer=r"on 64 h100: .* h of wall-clock, longest run",
    ),
    Asked(question="What does it cost at 2.50 an hour?", command=f"{FLEET} --count 8 --price 2.5", answer=r"price \d"),
    Asked(
        question="Is the MoE as fast as the dense model in this forecast?",
        command=FLEET,
        answer=r"assumed: .* dense 40 %.* MoE 25 %",
    ),
    Asked(
        question="Does a 7B model fit on one H100?",
        command="plan --total-params 7B --budget 20N --activation 1 --device h100 --precision bf16",
        answer=r"do not fit one h100.*--devices \d+ --shard",
    ),
    Asked(
        question="How fast is it if eight devices share a run?",
        command=f"{FLEET} --count 8 --devices 8",
        answer=r"8 devices a run",
    ),
    Asked(
        question="Can I have a rate of 1 %?",
        command=f"{HUNDRED} --budget 1e18 --activation 1,0.01",
        answer=r"floor of this backbone is 0\.\d+; .*--align.*--d-model.*--n-layers",
    ),
    Asked(
        question="Do the published recipes agree at this size?",
        command=f"{HUNDRED} --budget 1e18",
        answer=r"Recipes disagree on the batch by up to",
    ),
]
STUDENT = [
    Asked(question="What is a plan for my laptop?", command="plan --preset laptop --data none", answer=r"27 runs"),
    Asked(
        question="I have 1e13 FLOPs on two cores.",
        command="plan --budget 1e13",
        answer=r"--precision fp32: no GPU is named",
    ),
    Asked(
        question="The laptop study, with a bigger model?",
        command="plan --preset laptop --data none --total-params 3M",
        answer=r"--d-model matched: the preset's 32 is for N 296k",
    ),
    Asked(
        question="Is that too big for my compute?",
        command="plan --preset laptop --data none --total-params 3M",
        answer=r"too large for its compute; 20 .* needs --budget",
    ),
    Asked(
        question="And a small model for ever?",
        command=f"{HUNDRED} --budget 1e21",
        answer=r"tokens per parameter, so it is small for its compute; 20 .* --total-params",
    ),
    Asked(
        question="What do I type at all?",
        command="plan",
        message=r"--budget 1e20 is enough",
        then="--budget 1e20",
        answer=r"18 runs",
    ),
    Asked(
        question="Can one seed tell me anything?",
        command="plan --budget 1e13 --seeds 0",
        answer=r"One seed per arm: the plan cannot separate",
    ),
    Asked(question="How do I keep this plan?", command="plan --budget 1e13", answer=r"add -o studies/NAME"),
    Asked(question="How do I train it?", command="plan --budget 1e13", answer=r"--data stdlib, text:PATH or hf:NAME"),
]
READER = [
    Asked(
        question="What did the paper train at 2B?",
        command="plan --preset li2025-2b --data none --json",
        answer=r'"arm"',
    ),
    Asked(
        question="Why is one budget not enough?",
        command="plan --budget 1e20",
        answer=r"confounds r_a with tokens per parameter.*--budget 3\.33e19,1e20,3e20",
    ),
    Asked(question="Whose law says that 850M is right?", command="plan --budget 1e20", answer=r"arXiv 2404\.10102"),
    Asked(
        question="What if all arms see the same tokens?",
        command="plan --match N=D --tokens 2B",
        answer=r"N and? ?.*= 100M|--total-params 100M: 20 tokens per parameter",
    ),
]
QUESTIONS = [*RESEARCHER, *STUDENT, *READER]


def test_there_are_twenty_five() -> None:
    assert len({asked.question for asked in QUESTIONS}) == 25


def said(command: str, capsys: pytest.CaptureFixture) -> tuple[int, str]:
    code = cli.main(shlex.split(command))
    shown = capsys.readouterr()
    return code, shown.out + shown.err


@pytest.mark.parametrize("asked", QUESTIONS, ids=lambda asked: asked.question)
def test_a_question_is_answered_by_the_first_command_or_by_the_one_its_message_gives(
    asked: Asked, capsys: pytest.CaptureFixture
) -> None:
    code, text = said(asked.command, capsys)
    if asked.message:
        assert code == cli.USAGE
        assert re.search(asked.message, text), text
        assert asked.then in text
        code, text = said(f"{asked.command} {asked.then}", capsys)
    assert code in (cli.DONE, cli.GAPS), text
    assert re.search(asked.answer, text), text
