// The page to talk on: puts the parts together and shows what happens.

import { Captions } from "./captions.js";
import { Conversation, PHASE } from "./conversation.js";
import { Debug } from "./debug.js";
import { Devices } from "./devices.js";
import { LinkCard } from "./card.js";
import { Loudness } from "./loudness.js";
import { Meter } from "./meter.js";
import { Microphone } from "./microphone.js";
import { PushToTalk } from "./push.js";

const ASK_AGAIN_MS = 1500;
const EVENTS_KEPT = 500;
const STATE_WORDS = {
  ready: "Ready when you are",
  connecting: "Connecting",
  idle: "Here",
  listening: "Listening",
  thinking: "Thinking",
  speaking: "Speaking",
  reconnecting: "Reconnecting",
  ended: "The call is over",
  failed: "Not connected",
};

const $ = (id) => document.getElementById(id);
export const config = JSON.parse($("talk-config").textContent);
export const root = document.documentElement;
const video = $("avatar-video");
const loudness = new Loudness(video);
const microphone = new Microphone();
const meter = new Meter($("mute"));
export const captions = new Captions({
  line: $("captions"),
  transcript: $("transcript"),
  empty: $("transcript-empty"),
  names: { user: "You", avatar: config.name },
});
const debug = new Debug({ turns: $("debug-turns"), connection: $("debug-connection"), worker: $("debug-worker") });
export const conversation = new Conversation({
  url: socketUrl(config.ws_url),
  track: () => microphone.track,
  introduction: () => ({ time_zone: Intl.DateTimeFormat().resolvedOptions().timeZone ?? "", ...introduction() }),
  gone: config.gone,
});
const devices = new Devices({
  microphone: $("microphone"),
  loudspeaker: $("loudspeaker"),
  loudspeakerField: $("loudspeaker-field"),
  words: $("devices-words"),
  video,
  onMicrophone: changeMicrophone,
});
const push = new PushToTalk({ button: $("push"), words: $("push-words"), choice: $("push-to-talk"), root, say: (message) => conversation.say(message) });
const card = new LinkCard({ place: $("card"), keep: (link) => captions.link(link) });
const events = [];
let wakeLock = null;
let introduction = () => ({});

/** Say with `words()` who joins: {name, watch}. Who only watches is not asked for a microphone. */
export function introduceBy(words) {
  introduction = words;
}

/** Act on the messages of one more type. */
export function receive(type, act) {
  MESSAGES[type] = act;
}

function socketUrl(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}

function record(event) {
  events.push({ receivedMs: performance.now(), ...event });
  if (events.length > EVENTS_KEPT) events.shift();
}

function showState(state) {
  root.dataset.state = state;
  $("state-words").textContent = STATE_WORDS[state] ?? state;
}

function notice(sentence) {
  if ($("notice-words").textContent !== sentence) $("notice-words").textContent = sentence;
  $("notice").hidden = !sentence;
}

async function openMicrophone() {
  try {
    await microphone.start();
    meter.watch(microphone.stream);
    microphone.track?.addEventListener("ended", microphoneGone);
  } catch (error) {
    notice(error.message);
  }
  root.toggleAttribute("data-no-microphone", !microphone.track);
  await devices.refresh(microphone.track);
}

async function changeMicrophone(deviceId) {
  try {
    await microphone.start(deviceId);
    await conversation.speakWith(microphone.track);
    meter.watch(microphone.stream);
    microphone.track.addEventListener("ended", microphoneGone);
    devices.say("");
  } catch {
    devices.say("This microphone did not start; the one before is still in use.");
  }
  await devices.refresh(microphone.track);
}

function microphoneGone() {
  root.setAttribute("data-no-microphone", "");
  meter.stop();
  notice("The microphone was unplugged. You can type, or choose another one under Sound.");
  devices.refresh();
}

export async function talk() {
  notice("");
  $("talk").disabled = true;
  showState("connecting");
  if (introduction().watch) {
    conversation.start(Promise.resolve());
    return;
  }
  const opened = Promise.race([openMicrophone(), skippedMicrophone()]);
  const offer = setTimeout(offerToSkip, ASK_AGAIN_MS);
  opened.then(() => clearTimeout(offer));
  // While the browser asks for the microphone no place is taken on the server.
  await Promise.race([opened, Microphone.allowed()]);
  conversation.start(opened);
}

function offerToSkip() {
  $("curtain-words").textContent = "Your browser asks whether this page may use the microphone.";
  $("skip-microphone").hidden = false;
}

/** Resolves when the visitor, with the browser's question still open, chooses to go on by typing. */
function skippedMicrophone() {
  return new Promise((resolve) => {
    $("skip-microphone").onclick = () => {
      microphone.giveUp();
      root.setAttribute("data-no-microphone", "");
      notice("You go on without the microphone: type what you want to say.");
      resolve();
    };
  });
}

function release() {
  meter.stop();
  microphone.stop();
  video.srcObject = null;
  wakeLock?.release().catch(() => {});
  wakeLock = null;
}

async function play() {
  try {
    await video.play();
    $("unblock").hidden = true;
  } catch (error) {
    // Replaced by a newer stream: not a refusal.
    if (error.name !== "AbortError") $("unblock").hidden = false;
  }
}

function showPhase({ phase, sentence }) {
  record({ type: "phase", phase, sentence });
  root.dataset.phase = phase;
  const over = phase === PHASE.ENDED || phase === PHASE.FAILED;
  const live = phase === PHASE.LIVE;
  if (phase !== PHASE.LIVE || ["connecting", "reconnecting"].includes(root.dataset.state)) showState(live ? "idle" : phase);
  $("curtain").hidden = !over;
  $("skip-microphone").hidden = true;
  $("check-connection").hidden = phase !== PHASE.FAILED || !conversation.blocked;
  $("controls").inert = over;
  $("talk").disabled = !over;
  $("talk-words").textContent = phase === PHASE.FAILED ? (conversation.wasLive ? "Reconnect" : "Try again") : "Talk again";
  $("curtain-words").textContent = phase === PHASE.FAILED ? sentence : sentence || stored();
  $("message").disabled = $("send").disabled = !live;
  if (phase === PHASE.RECONNECTING) notice(sentence);
  else if (over || (live && (microphone.track || introduction().watch))) notice("");
  if (phase === PHASE.CONNECTING) card.hide();
  if (!live) {
    root.removeAttribute("data-picture");
    captions.pause();
  }
  if (live) push.begin();
  else push.let();
  if (live) {
    navigator.wakeLock?.request("screen").then((lock) => (wakeLock = lock), () => {});
    if (!microphone.track) $("message").focus();
  }
  if (over) {
    release();
    $("talk").focus();
  }
}

function stored() {
  return config.remembered && !config.demo_brain ? `${config.name} keeps a few facts about you. Nothing else was stored.` : "Nothing of it was stored.";
}

const MESSAGES = {
  state: ({ state }) => {
    if (state === "speaking") loudness.restore();
    showState(state);
  },
  caption: (message) => captions.caption(message),
  yield: () => loudness.yield(),
  interrupted: (message) => {
    loudness.hush();
    captions.interrupted(message);
  },
  latency: (message) => debug.latency(message),
  stats: (message) => debug.worker(message),
  card: (message) => card.show(message),
  notice: ({ message }) => notice(message),
  error: ({ message }) => notice(message),
};

conversation.addEventListener("phase", ({ detail }) => showPhase(detail));
conversation.addEventListener("session", ({ detail }) => captions.begin(detail.session));
conversation.addEventListener("message", ({ detail }) => {
  record(detail);
  MESSAGES[detail.type]?.(detail);
});
conversation.addEventListener("weak", ({ detail }) => {
  record({ type: "weak", sentence: detail.sentence });
  if (conversation.phase === PHASE.LIVE) notice(detail.sentence);
});
conversation.addEventListener("trouble", ({ detail }) => record({ type: "trouble", ...detail }));
conversation.addEventListener("stream", ({ detail }) => {
  if (video.srcObject === detail.stream) return;
  video.srcObject = detail.stream;
  debug.watch(conversation.peer.connection);
  play();
});

function pictureArrived() {
  if (!video.srcObject || !video.videoWidth) return;
  root.setAttribute("data-picture", "");
  conversation.pictureArrived();
}
video.addEventListener("loadeddata", pictureArrived);
video.addEventListener("playing", pictureArrived);

$("talk").addEventListener("click", talk);
$("notice-close").addEventListener("click", () => notice(""));
$("unblock").addEventListener("click", play);
$("hangup").addEventListener("click", () => conversation.hangUp());
$("interrupt").addEventListener("click", () => {
  if (conversation.say({ type: "interrupt" })) loudness.hush();
});
$("mute").addEventListener("click", () => {
  microphone.mute(!microphone.muted);
  $("mute").setAttribute("aria-pressed", String(microphone.muted));
});
$("write").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("message").value.trim();
  if (!text) return;
  if (!conversation.say({ type: "text", text })) {
    notice("This could not be sent while there is no connection. It is still in the box.");
    return;
  }
  captions.typed(text);
  $("message").value = "";
});

// Panels, each with a button that opens it and one that closes it.
const PANELS = { conversation: $("transcript-toggle"), devices: $("devices-toggle"), debug: $("debug-toggle") };

/** Open or close a panel. */
export function togglePanel(name, open) {
  const panel = $(name);
  panel.toggleAttribute("data-open", open);
  if (name !== "conversation") panel.hidden = !open;
  PANELS[name].setAttribute("aria-expanded", String(open));
  if (!open && panel.contains(document.activeElement)) PANELS[name].focus();
}

/** Let the button `name`-toggle open and close the panel `name`. */
export function panel(name) {
  const button = (PANELS[name] ??= $(`${name}-toggle`));
  button.addEventListener("click", () => togglePanel(name, button.getAttribute("aria-expanded") !== "true"));
  for (const close of document.querySelectorAll(`[data-close="${name}"]`)) close.addEventListener("click", () => togglePanel(name, false));
}

Object.keys(PANELS).forEach(panel);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  for (const [name, button] of Object.entries(PANELS)) if (button.getAttribute("aria-expanded") === "true") togglePanel(name, false);
});

addEventListener("pagehide", () => {
  if ([PHASE.CONNECTING, PHASE.LIVE, PHASE.RECONNECTING].includes(conversation.phase)) {
    conversation.hangUp("You left the page, and with it the call.");
  }
});

window.parlo = {
  get state() {
    return root.dataset.state;
  },
  get phase() {
    return conversation.phase;
  },
  gesture: (name, options) => conversation.gesture(name, options),
  events,
  video,
};

root.dataset.phase = PHASE.READY;
showState("ready");
if (!window.isSecureContext) {
  $("curtain-words").textContent =
    "This page was opened by plain http, so the browser keeps the microphone back. You can talk by typing; for speaking, use an https address.";
}
// Disabled in the page itself, so that no click is lost while this was still loading.
$("talk").disabled = false;
if (config.debug) togglePanel("debug", true);
