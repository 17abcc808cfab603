// Lists of what the builder works on: asks how far it is as long as something is under way.

const EVERY_MS = 1500;
const root = document.querySelector("[data-follow]");

async function look() {
  try {
    const answer = await fetch(root.dataset.follow, { headers: { Accept: "text/html" } });
    if (answer.ok && !answer.redirected) root.innerHTML = await answer.text();
  } catch {
    // The server is away for a moment: ask again.
  }
  plan();
}

function plan() {
  if (root.querySelector("[data-busy=yes]")) setTimeout(look, EVERY_MS);
}

plan();
