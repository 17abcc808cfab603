// The connection check: runs every attempt at once, shows each as it ends, and then the whole in words.

import { aboutRelay, readUrl, verdict } from "./advice.js";
import { tryMicrophone, microphoneState } from "./microphone.js";
import { askStun, tryConnection } from "./probe.js";
import { Rows } from "./rows.js";
import { CheckSocket } from "./socket.js";

const $ = (id) => document.getElementById(id);
const config = JSON.parse($("check-config").textContent);
const rows = new Rows($("checks"), $("check-row"));

function show({ state, title, words, todo }) {
  $("verdict").dataset.state = state;
  $("verdict-title").textContent = title;
  $("verdict-words").textContent = words;
  $("todo").hidden = !todo.length;
  $("todo-list").replaceChildren(
    ...todo.map((sentence) => {
      const item = document.createElement("li");
      item.textContent = sentence;
      return item;
    }),
  );
}

/** One address of a server at a time, so that each is tried by itself. */
function single(servers) {
  return servers.flatMap(({ urls, ...credentials }) => [urls].flat().map((urls) => ({ urls, ...credentials })));
}

async function run() {
  rows.clear();
  $("again").disabled = $("copy").disabled = true;
  show({ state: "running", title: "Trying …", words: "This takes up to half a minute.", todo: [] });
  const results = { relays: [], direct: {}, conversation: {}, policy: "all", ...config };
  results.microphone = await checkMicrophone();

  const line = rows.add("Arranging a call");
  const socket = new CheckSocket(config.ws_url);
  try {
    const { ice_servers: servers, ice_policy: policy } = await socket.servers();
    results.signalling = { ok: true };
    results.policy = policy;
    line.end("good", "The server answers.");
    await tryEverything(socket, servers, policy, results);
  } catch (error) {
    results.signalling = { ok: false };
    line.end("bad", error.message);
  }
  socket.close();
  show(verdict(results));
  $("again").disabled = $("copy").disabled = false;
}

async function tryEverything(socket, servers, policy, results) {
  const attempts = [];
  const direct = rows.add("Straight to the media worker");
  attempts.push(
    tryConnection({ iceServers: [], policy: "all" }, (sdp) => socket.ask("direct", sdp)).then((result) => {
      results.direct = result;
      if (result.ok) direct.end("good", `It answers in ${result.roundTripMs} ms, over UDP to ${result.route.remote || "its address"}.`);
      else direct.end(policy === "relay" ? "note" : "bad", aboutDirect(result, policy));
    }),
  );
  for (const server of single(servers)) {
    const url = readUrl(server.urls);
    const row = rows.add(`${url.relays ? "Relay" : "Outside address"}: ${url.host}, ${url.protocol} ${url.port}`);
    if (!url.relays) {
      attempts.push(
        askStun(server).then(({ address }) => {
          if (address) row.end("good", `The STUN server sees you as ${address}.`);
          else row.end("note", `The STUN server does not answer by ${url.protocol} at port ${url.port}. Where the direct way works nobody needs it.`);
        }),
      );
      continue;
    }
    const entry = { url, result: null };
    results.relays.push(entry);
    attempts.push(
      tryConnection({ iceServers: [server], policy: "relay" }, (sdp) => socket.ask(server.urls, sdp)).then((result) => {
        entry.result = result;
        row.end(result.ok ? "good" : "bad", aboutRelay(url, result));
      }),
    );
  }
  const whole = rows.add("All of it together, as in a conversation");
  await Promise.all(attempts);
  const nothingElse = !servers.length && policy === "all";
  results.conversation = nothingElse
    ? results.direct
    : await tryConnection({ iceServers: servers, policy }, (sdp) => socket.ask("conversation", sdp));
  const { ok, route, roundTripMs, message } = results.conversation;
  if (ok) whole.end("good", `Connected ${route.relayed ? `through a relay, over ${route.protocol}` : "directly, over UDP"}; there and back in ${roundTripMs} ms.`);
  else whole.end("bad", message ?? "No connection came about.");
}

function aboutDirect({ stage, message }, policy) {
  if (stage === "answer") return message;
  if (policy === "relay") return "No way through, and none is needed: this Parlo sends everything through its relay.";
  return stage === "addresses" ? "This browser keeps its own addresses back, so only a relay can help." : "UDP does not get through between here and there.";
}

async function checkMicrophone() {
  const row = rows.add("Microphone");
  const state = await microphoneState();
  row.end(state.state, state.words[0].toUpperCase() + state.words.slice(1));
  if (state.canTry) {
    row.offer("Try the microphone", async () => {
      row.begin("Say something …");
      const heard = await tryMicrophone();
      row.end(heard.state, heard.words);
    });
  }
  return state;
}

$("again").addEventListener("click", run);
$("copy").addEventListener("click", async () => {
  const label = $("copy").querySelector("span");
  const report = [
    `Parlo connection check, ${new Date().toISOString()}, ${location.origin}`,
    navigator.userAgent,
    `${$("verdict-title").textContent}. ${$("verdict-words").textContent}`,
    ...[...$("todo-list").children].map(({ textContent }) => `- ${textContent}`),
    ...rows.lines(),
  ].join("\n");
  try {
    await navigator.clipboard.writeText(report);
    label.textContent = "Copied";
    setTimeout(() => (label.textContent = "Copy the report"), 2000);
  } catch {
    // No clipboard here (plain http): show it, so that it can be copied by hand.
    const text = document.createElement("textarea");
    text.className = "input report";
    text.value = report;
    text.readOnly = true;
    text.setAttribute("aria-label", "The report");
    $("copy").replaceWith(text);
    text.select();
  }
});

run();
