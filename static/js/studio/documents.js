// Files being read: asks how far they are as long as one is under way.

const EVERY_MS = 1500;
const root = document.querySelector("[data-documents]");

async function look() {
  try {
    const answer = await fetch(root.dataset.documents, { headers: { Accept: "text/html" } });
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
