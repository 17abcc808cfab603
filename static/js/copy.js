// Buttons that copy a link, and say so.

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.querySelector("span") ?? button;
  const words = label.textContent;
  let timer = 0;
  button.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      label.textContent = "Copied";
    } catch {
      label.textContent = button.dataset.copy; // no clipboard here (plain http): show it, so it can be copied by hand
      return;
    }
    clearTimeout(timer);
    timer = setTimeout(() => (label.textContent = words), 2000);
  });
}
