// One conversation, over as many connections as it takes.

import { Peer } from "./peer.js";
import { CLOSE, Signalling } from "./signalling.js";

const BACKOFF_MS = [300, 1000, 3000];
const MENDING_MS = [300, 1000, 1000, 2000, 3000, 4000, 5000, 5000, 5000]; // as long as the server keeps a conversation that was cut off
const JITTER_MS = 300;
const STEADY_MS = 10000; // after this long without trouble the attempts are counted anew
const HELLO_WITHOUT_PICTURE_MS = 4000;
const WAIT_ONLINE_MS = 15000;

export const PHASE = {
  READY: "ready",
  CONNECTING: "connecting",
  LIVE: "live",
  RECONNECTING: "reconnecting",
  ENDED: "ended",
  FAILED: "failed",
};

const FINAL_ERRORS = new Set(["not_found", "forbidden", "room_full", "stage_full", "codec"]);
const RETRIED_ERRORS = new Set(["worker_lost", "no_worker", "full", "not_ready", "unreachable", "internal", "forwarder"]);
const ERROR_SENTENCES = {
  full: "All places are taken at the moment. Try again in a little while.",
  no_worker: "Nobody is on stage: no media worker is running. Whoever runs this Parlo can start one.",
  not_ready: "This avatar is not ready to talk yet.",
  not_found: "This avatar is no longer here.",
  forbidden: "You may not talk to this avatar. If it is yours, sign in and try again.",
  internal: "Something went wrong on the server. Try again.",
};
const CLOSE_SENTENCES = {
  [CLOSE.FORBIDDEN]: ERROR_SENTENCES.forbidden,
  [CLOSE.NOT_FOUND]: ERROR_SENTENCES.not_found,
  [CLOSE.TOO_MANY]: "Too many calls were started from here. Wait a minute, then try again.",
};
const NEVER_CONNECTED =
  "Sound and picture do not get through. A firewall or a strict network may stand between; another network may work, or whoever runs this Parlo can set up a TURN server.";
const WEAK = "The connection is weak: the server has not answered for some seconds.";
const UNREACHABLE = "The server cannot be reached. Check your connection, then try again.";

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Fires "phase" ({phase, sentence}), "session" ({session}), "stream" ({stream}), "weak" ({sentence}, empty when it is over), "trouble" ({what, code}: why a connection was given up) and "message" (the data channel's messages as `detail`).
 *
 * `track()` gives the microphone's track, or null; `introduction()` what the server is told of who joins; `gone` is said where nobody is any more.
 */
export class Conversation extends EventTarget {
  constructor({ url, track, introduction = () => ({}), gone = CLOSE_SENTENCES[CLOSE.NOT_FOUND] }) {
    super();
    this.url = url;
    this.track = track;
    this.introduction = introduction;
    this.gone = gone;
    this.phase = PHASE.READY;
    this.reset();
  }

  reset() {
    this.blocked = false; // whether the network, rather than the server, was what failed last
    this.token = null;
    this.slip = ""; // what was said, sealed: another machine of the server goes on with it
    this.attempts = 0;
    this.wasLive = false;
  }

  /** Connect. `microphone` resolves when the microphone is there or known not to come. What was cut off goes on. */
  start(microphone) {
    const { phase, token, slip } = this;
    this.reset();
    if (phase === PHASE.FAILED) Object.assign(this, { token, slip });
    this.microphone = microphone;
    this.enter(PHASE.CONNECTING, "");
    this.connect();
  }

  say(message) {
    return this.peer?.send(message) ?? false;
  }

  /** Ask for a gesture, by a name such as "nod"; the face answers with a message of type "gesture" when it begins. */
  gesture(name, { stopOnUserSpeech = false, stopOnAgentSpeech = false } = {}) {
    return this.say({ type: "gesture", name, stop_on_user_speech: stopOnUserSpeech, stop_on_agent_speech: stopOnAgentSpeech });
  }

  /** The first picture is on the screen. */
  pictureArrived() {
    this.pictured = true;
    this.greet();
  }

  async speakWith(track) {
    await this.peer?.speakWith(track);
  }

  hangUp(sentence = "") {
    this.say({ type: "bye" });
    this.signalling?.leave();
    this.drop();
    this.enter(PHASE.ENDED, sentence);
  }

  connect() {
    this.pictured = this.opened = this.greeted = false;
    const signalling = (this.signalling = new Signalling(this.url, { token: this.token, slip: this.slip, introduction: this.introduction() }));
    const peer = (this.peer = new Peer());
    let network = {};

    signalling.addEventListener("ready", async ({ detail }) => {
      this.token = detail.token;
      this.forward("session", { session: detail.session });
      await this.microphone;
      if (this.peer !== peer) return;
      network = { iceServers: detail.ice_servers ?? [], icePolicy: detail.ice_policy ?? "all" };
      this.forwarded = detail.forwarded;
      if (this.forwarded) signalling.watch();
      else signalling.offer(await peer.offer({ ...network, track: this.track() }));
    });
    signalling.addEventListener("answer", ({ detail }) => peer.answer(detail.sdp));
    signalling.addEventListener("offer", async ({ detail }) => signalling.answer(await peer.answerTo({ ...network, sdp: detail.sdp })));
    signalling.addEventListener("event", ({ detail }) => this.forward("message", detail.event));
    signalling.addEventListener("error", ({ detail }) => this.refused(detail));
    signalling.addEventListener("ended", ({ detail }) => this.end(detail.message || "The conversation has ended."));
    signalling.addEventListener("weak", ({ detail }) => this.forward("weak", { sentence: detail.weak ? WEAK : "" }));
    signalling.addEventListener("lost", ({ detail }) => this.unsignalled(detail.code));

    peer.addEventListener("candidate", ({ detail }) => signalling.candidate(detail.candidate));
    peer.addEventListener("stream", ({ detail }) => this.forward("stream", detail));
    peer.addEventListener("message", ({ detail }) => {
      if (detail.type === "slip") this.slip = detail.slip;
      else this.forward("message", detail);
    });
    peer.addEventListener("lost", ({ detail }) => this.unconnected(detail.reason));
    peer.addEventListener("open", () => {
      this.opened = true;
      this.greet();
      setTimeout(() => this.peer === peer && this.greet({ evenBlind: true }), HELLO_WITHOUT_PICTURE_MS);
    });
  }

  greet({ evenBlind = false } = {}) {
    if (!this.opened || this.greeted || !(this.pictured || evenBlind)) return;
    this.greeted = this.wasLive = true;
    if (this.forwarded) this.signalling.hello();
    else this.say({ type: "hello" });
    this.enter(PHASE.LIVE, "");
    clearTimeout(this.steady);
    this.steady = setTimeout(() => (this.attempts = 0), STEADY_MS);
  }

  refused({ code, message, retry_after_s: afterS }) {
    const sentence = message || ERROR_SENTENCES[code] || ERROR_SENTENCES.internal;
    this.blocked = code === "unreachable";
    if (FINAL_ERRORS.has(code)) this.fail(sentence);
    else if (!RETRIED_ERRORS.has(code)) this.forward("message", { type: "notice", code, message: sentence });
    else if (this.wasLive || code === "worker_lost" || code === "forwarder") this.retry(sentence, (afterS ?? 0) * 1000);
    else this.fail(sentence);
  }

  unsignalled(code) {
    this.forward("trouble", { what: "signalling", code });
    this.blocked = !CLOSE_SENTENCES[code];
    if (code === CLOSE.NOT_FOUND) this.fail(this.gone);
    else if (CLOSE_SENTENCES[code]) this.fail(CLOSE_SENTENCES[code]);
    else this.retry(this.wasLive ? "The connection was lost." : UNREACHABLE);
  }

  unconnected(reason) {
    this.forward("trouble", { what: reason });
    this.blocked = true;
    if (reason === "never-connected" && !this.wasLive) this.fail(NEVER_CONNECTED);
    else this.retry(reason === "never-connected" ? NEVER_CONNECTED : "The connection was lost.");
  }

  async retry(sentence, atLeastMs = 0) {
    this.drop();
    const waits = this.wasLive ? MENDING_MS : BACKOFF_MS;
    if (this.attempts >= waits.length) {
      this.enter(PHASE.FAILED, sentence);
      return;
    }
    const waitMs = Math.max(waits[this.attempts] + Math.random() * JITTER_MS, atLeastMs);
    this.attempts += 1;
    this.enter(PHASE.RECONNECTING, `${sentence} Trying again, ${this.attempts} of ${waits.length}.`);
    const attempt = (this.waiting = {});
    await pause(waitMs);
    if (!navigator.onLine) await Promise.race([new Promise((resolve) => addEventListener("online", resolve, { once: true })), pause(WAIT_ONLINE_MS)]);
    if (this.waiting === attempt) this.connect();
  }

  fail(sentence) {
    this.drop();
    this.enter(PHASE.FAILED, sentence);
  }

  end(sentence) {
    this.drop();
    this.enter(PHASE.ENDED, sentence);
  }

  drop() {
    clearTimeout(this.steady);
    this.waiting = null;
    this.signalling?.close();
    this.peer?.close();
    this.signalling = this.peer = null;
  }

  enter(phase, sentence) {
    this.phase = phase;
    this.forward("phase", { phase, sentence });
  }

  forward(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}
