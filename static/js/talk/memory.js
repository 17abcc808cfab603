// Whether the avatar may remember the visitor: asked before, during or after a conversation, and kept by the server.

import { config, panel, togglePanel } from "./page.js";

const $ = (id) => document.getElementById(id);
const box = $("remember");

panel("memory");
$("memory-open").addEventListener("click", () => togglePanel("memory", true));

function show() {
  box.checked = config.remembered;
  $("memory-sure").hidden = true;
  $("memory-link").hidden = !config.remembered;
  $("memory-state").textContent = config.remembered ? `${config.name} remembers you` : `${config.name} can remember you`;
  $("transcript-stored").textContent = config.remembered && !config.demo_brain ? "A few facts about you are kept." : "Nothing is stored.";
}

async function change(on) {
  box.disabled = true;
  const body = new FormData($("memory-form"));
  body.set("on", on ? "1" : "0");
  let words = "This could not be saved. Check your connection, then try again.";
  try {
    const response = await fetch($("memory-form").action, { method: "POST", body, headers: { Accept: "application/json" } });
    const answer = await response.json().catch(() => ({}));
    if (response.ok) {
      config.remembered = answer.on;
      words = answer.on ? `${config.name} may remember you from now on.` : `All that ${config.name} remembered of you is deleted.`;
    } else if (answer.message) words = answer.message;
  } catch {
    // said above
  }
  box.disabled = false;
  show();
  $("memory-words").textContent = words;
}

box?.addEventListener("change", () => {
  $("memory-words").textContent = "";
  if (box.checked) {
    change(true);
    return;
  }
  // Deleting is asked about first; until then all is as it was.
  box.checked = true;
  $("memory-sure").hidden = false;
  $("memory-keep").focus();
});
$("memory-delete")?.addEventListener("click", () => {
  change(false);
  box.focus();
});
$("memory-keep")?.addEventListener("click", () => {
  show();
  box.focus();
});
