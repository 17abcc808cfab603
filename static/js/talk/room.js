// A room: the page to talk on, for several people. Who is here, who speaks, and one's own name.

import { captions, config, conversation, introduceBy, panel, receive, root, talk } from "./page.js";

const KEY = "parlo-name";
const $ = (id) => document.getElementById(id);
const name = $("own-name");
const list = $("people");
const speaking = new Set();
let watching = config.watching;

introduceBy(() => ({ name: name.value.trim(), watch: watching }));

function recall() {
  try {
    return localStorage.getItem(KEY) ?? "";
  } catch {
    return "";
  }
}

function remember() {
  try {
    localStorage.setItem(KEY, name.value.trim());
  } catch {
    // storage may be blocked; the name is asked for again next time
  }
}

name.value ||= recall();

/** Somebody comes to watch or to talk; the button pressed says which. */
function come(toWatch) {
  watching = toWatch;
  root.toggleAttribute("data-watching", watching);
  remember();
}

// Before the page's own listener, which starts the call.
$("talk").addEventListener("click", () => come(config.watching), { capture: true });
$("watch")?.addEventListener("click", () => {
  come(true);
  talk();
});
name.addEventListener("keydown", (event) => {
  if (event.key === "Enter") $("talk").click();
});
panel("invite");

receive("people", ({ people, more }) => {
  list.hidden = false;
  list.replaceChildren(...people.map((one) => chip(one, captions.you)));
  if (more) list.append(Object.assign(document.createElement("li"), { textContent: `and ${more} more` }));
});
receive("voice", ({ id, speaking: now }) => {
  if (now) speaking.add(id);
  else speaking.delete(id);
  list.querySelector(`[data-id="${CSS.escape(id)}"]`)?.toggleAttribute("data-speaking", now);
});

function chip({ id, name: words, watching: onlyWatching }, you) {
  const item = document.createElement("li");
  item.dataset.id = id;
  item.toggleAttribute("data-you", id === you);
  item.toggleAttribute("data-watching", onlyWatching);
  item.toggleAttribute("data-speaking", speaking.has(id));
  const mark = document.createElement("i");
  mark.setAttribute("aria-hidden", "true");
  item.append(mark, words);
  const role = [id === you && "you", onlyWatching && "watching"].filter(Boolean).join(", ");
  if (role) item.append(Object.assign(document.createElement("small"), { textContent: role }));
  return item;
}

// Each page has a session of its own name in a room: its seat.
conversation.addEventListener("session", ({ detail: { session } }) => (captions.you = session));
conversation.addEventListener("phase", ({ detail: { phase } }) => {
  if (phase === "live") return;
  speaking.clear();
  list.hidden = phase !== "reconnecting";
  if (phase === "ended") $("talk-words").textContent = config.watching ? "Watch again" : "Join again";
});
