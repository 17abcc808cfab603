// What goes on now: asked for again as long as the page is looked at.

const EVERY_MS = 2000;
const root = document.querySelector("[data-live]");

async function look() {
  try {
    const answer = document.hidden ? null : await fetch(root.dataset.live, { headers: { Accept: "text/html" } });
    if (answer?.ok && !answer.redirected) {
      const focused = root.contains(document.activeElement) ? document.activeElement.id : "";
      root.innerHTML = await answer.text();
      if (focused) document.getElementById(focused)?.focus();
    }
  } catch {
    // The server is away for a moment: ask again.
  }
  setTimeout(look, EVERY_MS);
}

setTimeout(look, EVERY_MS);
