// The build as it happens: listens on a WebSocket, shows stages, the refusal or the finished avatar.

import { FaceMarking } from "./marking.js";

const RETRY_MS = [500, 1000, 2000, 5000];
const CLOSED_FOR_GOOD = { 4401: "You are signed out. Sign in again to follow the build.", 4404: "This avatar is no longer here." };

const config = JSON.parse(document.getElementById("build-config").textContent);
const root = document.getElementById("build");
const title = root.querySelector("[data-build-title]");
const bar = root.querySelector("progress");
const link = root.querySelector("[data-build-link]");
const messages = root.querySelectorAll("[data-build-message]");
const stages = [...root.querySelectorAll("[data-stages] [data-stage]")];
let socket = null;
const marking = new FaceMarking(root.querySelector("[data-marking-panel]"), (question) => {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(question));
  return true;
});

function openMarking() {
  root.toggleAttribute("data-marking-open", true);
  marking.open(config.source_url, config.points, config.kind);
}

function showStages(status) {
  const now = stages.findIndex((item) => item.dataset.stage === status.stage);
  stages.forEach((item, index) => {
    item.toggleAttribute("data-done", index < now);
    if (index === now) item.setAttribute("aria-current", "step");
    else item.removeAttribute("aria-current");
  });
}

function showFace({ poster_url: poster, preview_url: preview, width, height, shape }) {
  const face = root.querySelector("[data-ready-face]");
  if (!poster || face.querySelector("img")?.getAttribute("src") === poster) return;
  const image = new Image(width, height);
  face.dataset.shape = shape;
  image.src = poster;
  image.alt = "Portrait of the finished avatar";
  face.replaceChildren(image);
  document.querySelector("[data-download]").hidden = false;
  if (!preview || matchMedia("(prefers-reduced-motion: reduce)").matches) return;
  const film = Object.assign(document.createElement("video"), { src: preview, muted: true, loop: true, playsInline: true });
  film.addEventListener("playing", () => film.classList.add("playing"));
  face.append(film);
  film.play().catch(() => film.remove());
}

function showRemarks(remarks) {
  const box = root.querySelector("[data-remarks]");
  box.hidden = !remarks.length;
  box.querySelector("ul").replaceChildren(...remarks.map(({ tone, text, advice }) => {
    const item = document.createElement("li");
    item.dataset.tone = tone;
    const words = document.createElement("span");
    if (tone === "better") words.append(Object.assign(document.createElement("span"), { className: "visually-hidden", textContent: "Could be better: " }));
    words.append(text);
    item.append(words);
    if (advice) item.append(" ", Object.assign(document.createElement("span"), { className: "soft", textContent: advice }));
    return item;
  }));
}

function showMouth(mouth) {
  const box = root.querySelector("[data-mouth]");
  box.hidden = !mouth;
  if (!mouth) return;
  box.querySelector("progress").value = mouth.progress;
  for (const element of box.querySelectorAll("progress, [data-mouth-stop]")) element.hidden = !mouth.under_way;
  box.querySelector("[data-mouth-message]").textContent = mouth.message;
}

function show(status) {
  root.dataset.buildState = status.state;
  title.textContent = status.state === "queued" ? "Waiting for its turn" : "Building";
  bar.value = status.progress;
  for (const element of messages) if (element.textContent !== status.message) element.textContent = status.message;
  showStages(status);
  if (status.state === "awaiting_face_marking") openMarking();
  if (status.state === "queued" || status.state === "running") root.toggleAttribute("data-marking-open", false);
  if (status.state === "failed") root.querySelector("[data-replace]").open = true;
  if (status.state === "ready") showFace(status);
  showMouth(status.mouth);
  showRemarks(status.remarks);
}

function follow(attempt = 0) {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  socket = new WebSocket(new URL(config.ws_url, `${scheme}//${location.host}`));
  socket.addEventListener("message", (event) => {
    attempt = 0;
    link.textContent = "";
    const told = JSON.parse(event.data);
    if (told.type === "sketch") marking.sketched(told);
    else show(told);
  });
  socket.addEventListener("open", () => marking.connected());
  socket.addEventListener("close", (event) => {
    const sentence = CLOSED_FOR_GOOD[event.code];
    link.textContent = sentence ?? "The live view lost its connection and tries again.";
    if (!sentence) setTimeout(follow, RETRY_MS[Math.min(attempt, RETRY_MS.length - 1)], attempt + 1);
  });
}

for (const button of root.querySelectorAll("[data-mark-again]")) {
  button.hidden = !config.can_mark;
  button.addEventListener("click", () => {
    openMarking();
    root.querySelector("[data-marking-panel]").scrollIntoView({ block: "start" });
    root.querySelector("[data-marking]").focus({ preventScroll: true });
  });
}
show(config);
follow();
