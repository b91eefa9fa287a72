"""Each quantity is written in one way."""

from reports.page.number_text import flops, nats, percent, residual
from reports.study.optimum import ends


def test_quantities_are_written_with_their_digits_and_signs() -> None:
    assert [percent(0.1716), percent(1.0)] == ["17.2 %", "100 %"]
    assert [flops(1e11), flops(2.96e18), flops(3.125e9)] == ["1e11", "2.96e18", "3.12e9"]
    assert [residual(0.00146), residual(-0.001), residual(-9.7e-6), residual(0)] == [
        "+0.15 %",
        "−0.10 %",
        "−0.001 %",
        "0 %",
    ]
    assert [nats(0.123), nats(4.2e-4), nats(0), nats(3e-5)] == ["0.1230", "0.00042", "0.0000", "3.00e-05"]
    assert ends(None, 0.2, (0.1, 0.5)) == "below the lowest sampled rate (10 %) to 20 %"
