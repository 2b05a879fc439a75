from __future__ import annotations

from itertools import pairwise

import pytest

from streamctl.engine.choice import (
    Contender,
    Decision,
    Exhausted,
    OffAir,
    Reason,
    Restored,
    Rules,
    Spec,
    Start,
    State,
    Stop,
    SwitchTo,
)
from streamctl.engine.failover import CALM_S, SWITCHES
from streamctl.errors import NotFound, StreamctlError
from tests.streamctl.engine.case import SLATE, Case, pulled, running, with_slate

ERROR, TIMEOUT = Reason.ERROR, Reason.TIMEOUT


def test_the_first_input_is_connected_to_and_goes_on_air() -> None:
    case = Case()
    assert case.begun == [Start(0)]
    assert case.states() == "ci"
    assert case.rap(0) == [SwitchTo(0, Reason.INITIAL)]
    assert case.states() == "ai"
    assert case.machine.switches[0].before == -1


def test_an_error_of_the_active_input_starts_the_next_one_at_once() -> None:
    case = running()
    assert case.failed(0) == [OffAir(0, "reset"), Start(1)]
    assert case.states() == "dc"
    assert case.rap(1) == [SwitchTo(1, ERROR, "reset")]
    assert (case.machine.switches[0].before, case.machine.switches[0].after) == (0, 1)


def test_a_hot_standby_takes_over_in_the_same_call() -> None:
    case = running(hot=True)
    assert case.states() == "ac"
    case.rap(1)
    assert case.states() == "as"
    assert case.failed(0) == [OffAir(0, "reset"), SwitchTo(1, ERROR, "reset")]


def test_only_the_next_one_is_kept_connected() -> None:
    case = Case(*pulled(4), hot=True)
    assert case.rap(0) == [SwitchTo(0, Reason.INITIAL), Start(1)]
    case.rap(1)
    assert case.states() == "asii"


def test_silence_of_the_active_input_is_a_timeout() -> None:
    case = running()
    decided = case.tick(6.0)
    assert decided == [Stop(0, "no packets for 5 s"), OffAir(0, "no packets for 5 s"), Start(1)]
    assert case.rap(1) == [SwitchTo(1, TIMEOUT, "no packets for 5 s")]


def test_an_input_that_is_heard_does_not_time_out() -> None:
    case = running(1)
    for _ in range(20):
        case.tick(1.0)
        case.machine.heard(0, case.now - 0.5)
    assert case.states() == "a"


def test_silence_of_others_than_the_active_input_moves_nothing() -> None:
    case = running(hot=True)
    case.rap(1)
    decided = case.deliver(0, 8)
    assert decided == [Stop(1, "no packets for 5 s")]
    assert case.states() == "ad"


def test_a_new_input_gets_a_whole_timeout_of_its_own() -> None:
    case = running(hot=True)
    case.rap(1)
    case.tick(1.75)
    case.failed(0)
    assert case.active == 1
    case.tick(4.0)
    assert case.active == 1


def test_an_input_that_never_delivers_fails_too() -> None:
    case = Case()
    decided = case.tick(6.0)
    assert decided == [Stop(0, "no packets for 5 s"), Start(1)]
    assert case.states() == "dc"


def test_an_input_that_never_shows_a_picture_is_helped_out_and_then_fails() -> None:
    case = Case(picture_timeout_s=15)
    decided: list[Decision] = []
    for _ in range(40):
        case.machine.heard(0, case.now)
        case.machine.heard(1, case.now)
        decided += case.tick(0.5)
    assert decided[:2] == [Start(1), Stop(0, "no random-access point came")]


def test_who_waits_for_a_peer_does_not_time_out_and_does_not_hold_up_others() -> None:
    case = Case()
    case.machine.patient(0, True, case.now)
    assert case.tick(30.0)[:1] == [Start(1)]
    assert case.machine.inputs[0].running
    case.machine.patient(0, True, case.now)
    case.machine.patient(0, False, case.now)
    assert case.tick(6.0)[:1] == [Stop(0, "no packets for 5 s")]


def test_a_candidate_that_fails_is_followed_by_the_next_at_once() -> None:
    case = running(4)
    case.failed(0)
    assert case.failed(1, "refused") == [Start(2)]
    assert case.failed(2, "refused") == [Start(3)]
    assert case.rap(3) == [SwitchTo(3, ERROR, "reset")]


def test_exhausted_and_restored_are_told_once_each() -> None:
    case = running()
    case.failed(0)
    assert case.failed(1, "refused") == [Exhausted("refused")]
    assert case.tick(0.5) == []
    assert case.tick(1.0) == [Start(0), Start(1)]
    assert case.rap(1) == [SwitchTo(1, Reason.RECOVERY, "reset"), Restored()]
    assert not case.machine.exhausted


def test_a_single_input_backs_off_and_comes_back() -> None:
    case = running(1)
    assert case.failed(0)[:1] == [OffAir(0, "reset")]
    pauses = []
    for _ in range(5):
        before = case.now
        while Start(0) not in case.tick(0.25):
            pass
        pauses.append(case.now - before)
        case.failed(0)
    assert pauses == [1, 2, 4, 8, 10]
    case.tick(10.0)
    assert case.rap(0) == [SwitchTo(0, Reason.RECOVERY, "reset"), Restored()]


def test_what_trying_again_cannot_help_is_left_alone_for_long() -> None:
    case = Case(*pulled(1))
    case.machine.failed(0, "no such file", case.now, permanent=True)
    assert case.tick(29.5) == []
    assert case.tick(0.5) == [Start(0)]


def test_a_failed_probe_begins_the_cooldown_anew() -> None:
    case = running()
    case.failed(0)
    case.rap(1)
    starts = []
    for _ in range(60):
        decided = case.deliver(1, 1)
        if Start(0) in decided:
            starts.append(case.now)
            case.failed(0, "refused")
    steps = [after - before for before, after in pairwise(starts)]
    assert len(steps) >= 5
    assert min(steps) >= 8


def test_failback_comes_after_the_input_was_sound_for_long() -> None:
    case = running()
    case.failed(0)
    case.rap(1)
    assert Start(0) in case.deliver(1, 9)
    began = case.now
    decided = case.deliver_all([0, 1], 13)
    assert SwitchTo(0, Reason.FAILBACK) in decided
    assert Stop(1, "not needed any more") in decided
    assert case.now - began >= 12
    assert case.states()[0] == "a"


def test_failback_waits_for_the_new_inputs_own_random_access_point() -> None:
    case = running()
    case.failed(0)
    case.rap(1)
    case.deliver(1, 9)
    case.rap(0)
    for _ in range(40):
        case.machine.heard(0, case.now)
        case.machine.heard(1, case.now)
        assert case.tick(0.5) == []
    assert case.rap(1) == []
    assert case.rap(0)[:1] == [SwitchTo(0, Reason.FAILBACK)]


def test_an_input_that_fails_again_meanwhile_has_to_prove_itself_anew() -> None:
    case = running()
    case.failed(0)
    case.rap(1)
    case.deliver(1, 9)
    case.deliver_all([0, 1], 11)
    case.failed(0)
    decided = case.deliver(1, 9)
    assert Start(0) in decided
    assert case.active == 1
    assert SwitchTo(0, Reason.FAILBACK) not in case.deliver_all([0, 1], 11)


def test_failback_is_not_missed_when_it_was_not_due_at_first() -> None:
    case = running(failback_after_s=30)
    case.failed(0)
    case.rap(1)
    case.deliver(1, 9)
    assert SwitchTo(0, Reason.FAILBACK) not in case.deliver_all([0, 1], 20)
    assert SwitchTo(0, Reason.FAILBACK) in case.deliver_all([0, 1], 20)


def test_a_worse_input_that_works_again_is_let_go_when_nobody_needs_it() -> None:
    case = running(hot=True)
    case.failed(1, "refused")
    case.machine.update(pulled(2), Rules(), case.now)
    assert Start(1) in case.deliver(0, 9)
    assert case.rap(1) == [Stop(1, "not needed any more")]
    case.stopped(1)
    assert case.states() == "ai"


def test_a_wish_switches_at_the_random_access_point_and_holds() -> None:
    case = running()
    assert case.machine.wish(1, case.now) == [Start(1)]
    assert case.rap(1)[:1] == [SwitchTo(1, Reason.MANUAL)]
    case.stopped(0)
    assert SwitchTo(0, Reason.FAILBACK) not in case.deliver(1, 60)
    assert case.states() == "ia"


def test_a_wish_falls_when_its_input_does() -> None:
    case = running()
    case.machine.wish(1, case.now)
    case.rap(1)
    case.stopped(0)
    assert case.failed(1) == [OffAir(1, "reset"), Start(0)]
    assert case.machine.override is None
    assert case.rap(0) == [SwitchTo(0, ERROR, "reset")]


def test_a_wish_can_be_replaced_and_taken_back() -> None:
    case = running(3)
    case.machine.wish(1, case.now)
    case.machine.wish(2, case.now)
    assert case.machine.override is case.machine.inputs[2]
    case.stopped(1)
    case.rap(2)
    assert case.active == 2
    case.stopped(0)
    case.machine.wish(None, case.now)
    assert SwitchTo(0, Reason.FAILBACK) in case.deliver_all([0, 2], 30)


@pytest.mark.parametrize(
    ("priority", "words"), [(5, "no input 5"), (-1, "no input -1"), (1, "is degraded: refused")]
)
def test_what_cannot_be_wished_is_refused(priority: int, words: str) -> None:
    case = running(hot=True)
    case.failed(1, "refused")
    with pytest.raises((NotFound, StreamctlError), match=words):
        case.machine.wish(priority, case.now)
    assert case.machine.override is None


def test_a_slot_without_a_publisher_cannot_be_wished() -> None:
    case = Case(Spec(0), Spec(1, publish=True))
    with pytest.raises(StreamctlError, match="has no publisher"):
        case.machine.wish(1, case.now)


def test_a_slot_waits_and_the_pull_behind_it_starts_at_once() -> None:
    case = Case(Spec(0, publish=True), Spec(1))
    assert case.begun == [Start(1)]
    case.rap(1)
    case.machine.arrived(0, case.now)
    assert case.states() == "ca"
    assert SwitchTo(0, Reason.FAILBACK) in case.deliver_all([0, 1], 14)
    case.stopped(1)
    assert case.machine.left(0, "disconnected", case.now) == [OffAir(0, "disconnected"), Start(1)]
    assert case.states() == "ic"


def test_a_publisher_that_falls_silent_is_sent_away() -> None:
    case = Case(Spec(0, publish=True), Spec(1, publish=True))
    case.machine.arrived(0, case.now)
    case.rap(0)
    case.machine.arrived(1, case.now)
    decided = case.deliver(1, 7)
    assert decided[:3] == [
        Stop(0, "no packets for 5 s"),
        OffAir(0, "no packets for 5 s"),
        SwitchTo(1, TIMEOUT, "no packets for 5 s"),
    ]
    case.machine.left(0, "silent", case.now)
    assert case.states() == "ia"


def test_the_slate_is_shown_after_its_time_and_leaves_at_once() -> None:
    case = Case(*with_slate(Spec(0)))
    assert case.begun == [Start(0), Start(SLATE)]
    case.rap(SLATE)
    assert case.active is None
    assert case.deliver(SLATE, 2)[-1:] == [SwitchTo(SLATE, Reason.SLATE)]
    assert case.rap(0) == [SwitchTo(0, Reason.RECOVERY, "")]
    assert Stop(SLATE, "not needed any more") in case.deliver_all([0, SLATE], CALM_S + 1)
    case.stopped(SLATE)
    assert case.failed(0)[:2] == [OffAir(0, "reset"), Start(SLATE)]
    case.rap(SLATE)
    case.tick(1.0)
    assert case.states() == "da"
    assert case.machine.exhausted


def test_the_slate_is_made_ready_when_the_input_falls_silent() -> None:
    case = Case(*with_slate(Spec(0)))
    case.rap(0)
    case.deliver_all([0, SLATE], CALM_S + 1)
    case.stopped(SLATE)
    assert case.states() == "ai"
    assert case.tick(3.0) == [Start(SLATE)]
    case.rap(SLATE)
    decided = case.deliver(SLATE, 4)
    gone = "no packets for 5 s"
    assert decided[:2] == [Stop(0, gone), OffAir(0, gone)]
    assert decided[-1] == SwitchTo(SLATE, Reason.SLATE, gone)


def test_a_hot_slate_stays_connected() -> None:
    case = Case(*with_slate(Spec(0)), hot=True)
    case.rap(SLATE)
    case.deliver_all([0, SLATE], 3)
    assert case.states() == "as"


def test_a_slate_that_is_wished_stays() -> None:
    case = Case(*with_slate(Spec(0)), hot=True)
    case.rap(0)
    case.machine.wish(1, case.now)
    assert case.rap(SLATE) == [SwitchTo(SLATE, Reason.MANUAL)]
    assert case.deliver_all([0, SLATE], 30) == []


def test_what_is_not_there_any_more_when_it_should_go_on_air_is_passed_over() -> None:
    case = running(hot=True)
    case.rap(1)
    case.failed(0)
    case.machine.find(1).over()
    assert case.machine.reject(1, "it has ended", case.now) == [OffAir(1, "it has ended"), Start(1)]
    assert case.rap(1) == [SwitchTo(1, ERROR, "it has ended")]


def test_a_slate_that_fails_is_tried_again() -> None:
    case = Case(*with_slate(Spec(0, publish=True)))
    assert case.failed(SLATE, "no such file") == []
    assert case.tick(1.0) == [Start(SLATE)]


def test_a_complaint_moves_to_a_sound_input_and_back_when_it_is_over() -> None:
    case = running(hot=True)
    case.rap(1)
    decided = case.machine.judged(0, "240 kbit/s", case.now)
    assert decided == [SwitchTo(1, ERROR, "240 kbit/s")]
    assert case.states() == "da"
    case.deliver_all([0, 1], 4)
    case.machine.judged(0, "", case.now)
    assert SwitchTo(0, Reason.FAILBACK) in case.deliver_all([0, 1], 14)


def test_a_poor_input_is_better_than_none() -> None:
    case = running(1)
    assert case.machine.judged(0, "5 % lost", case.now) == []
    assert case.states() == "d"
    assert case.active == 0


def test_without_pictures_the_slate_is_better() -> None:
    case = Case(*with_slate(Spec(0, publish=True)), hot=True)
    case.machine.arrived(0, case.now)
    case.rap(0)
    case.rap(SLATE)
    case.machine.judged(0, "no frames for 3 s", case.now, dead=True)
    assert case.deliver_all([0, SLATE], 2) == [SwitchTo(SLATE, Reason.SLATE, "no frames for 3 s")]
    assert case.machine.judged(0, "", case.now)[:1] == [SwitchTo(0, Reason.RECOVERY, "")]


def test_a_pull_without_pictures_is_connected_to_anew() -> None:
    case = running(1)
    case.machine.judged(0, "no frames for 3 s", case.now, dead=True)
    decided = case.deliver(0, 10)
    assert decided[:2] == [Stop(0, "no frames for 3 s"), OffAir(0, "no frames for 3 s")]


def test_an_input_that_ended_is_never_started_again() -> None:
    case = running()
    assert case.machine.ended(0, case.now) == [OffAir(0, "it came to its end"), Start(1)]
    case.rap(1)
    assert Start(0) not in case.deliver(1, 60)
    assert case.states() == "sa"
    assert case.machine.ended(1, case.now)[-1:] == [Exhausted("every input came to its end")]


def test_an_active_input_that_is_removed_makes_room() -> None:
    case = running()
    decided = case.machine.update([Spec(1)], Rules(), case.now)
    gone = "the input was removed"
    assert decided == [Stop(0, gone), OffAir(0, gone), Start(1)]
    assert case.rap(1) == [SwitchTo(1, Reason.INPUT_REMOVED, gone)]


def test_a_better_input_that_is_added_takes_over_after_the_calm() -> None:
    case = running()
    added = [Spec(7), *pulled(2)]
    assert case.machine.update(added, Rules(), case.now) == [Start(7)]
    assert SwitchTo(7, Reason.INPUT_ADDED) in case.deliver_all([7, 0], 14)


def test_inputs_change_their_order_under_way() -> None:
    case = running()
    case.machine.update([Spec(1), Spec(0)], Rules(), case.now)
    assert case.active == 0
    assert SwitchTo(1, Reason.FAILBACK) in case.deliver_all([1, 0], 14)


def test_rules_change_under_way() -> None:
    case = running(1)
    case.machine.update(pulled(1), Rules(packet_timeout_s=60), case.now)
    assert case.tick(50.0) == []


def test_no_second_attempt_begins_before_the_first_has_ended() -> None:
    case = Case(*pulled(1))
    assert case.tick(6.0) == [Stop(0, "no packets for 5 s"), Exhausted("no packets for 5 s")]
    assert case.tick(60.0) == []
    assert case.stopped(0) == [Start(0)]


def test_a_late_word_of_an_attempt_that_was_told_to_end_means_nothing() -> None:
    case = Case(*pulled(1))
    case.tick(6.0)
    assert case.rap(0) == []
    assert case.machine.judged(1 - 1, "", case.now) == []
    assert case.active is None


def test_the_history_is_bounded_and_newest_first() -> None:
    case = running(1)
    for _ in range(SWITCHES + 5):
        case.failed(0)
        case.tick(2.0)
        case.rap(0)
    switches = case.machine.switches
    assert len(switches) == SWITCHES
    assert switches[0].at > switches[-1].at
    assert {switch.reason for switch in switches} == {Reason.RECOVERY}


def test_a_removed_input_is_unknown() -> None:
    case = running()
    case.machine.update([Spec(1)], Rules(), case.now)
    assert not case.machine.knows(0)
    assert case.machine.knows(1)
    assert case.machine.priority(Contender(Spec(0))) == -1


def test_an_idle_state_is_that_of_an_attempt_that_was_let_go() -> None:
    case = running()
    case.machine.wish(1, case.now)
    case.machine.wish(0, case.now)
    assert case.machine.state(case.machine.inputs[1]) is State.IDLE
