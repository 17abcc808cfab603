// Models being fetched: asks how far they are as long as one is under way.

const EVERY_MS = 1000;
const root = document.querySelector("[data-models]");

async function look() {
  try {
    const answer = await fetch(root.dataset.models, { headers: { Accept: "text/html" } });
    if (answer.ok && !answer.redirected) {
      const open = [...root.querySelectorAll("details")].map((details) => details.open);
      root.innerHTML = await answer.text();
      root.querySelectorAll("details").forEach((details, index) => (details.open = open[index]));
    }
  } catch {
    // The server is away for a moment: ask again.
  }
  plan();
}

function plan() {
  if (root.querySelector("[data-busy=yes]")) setTimeout(look, EVERY_MS);
}

plan();
